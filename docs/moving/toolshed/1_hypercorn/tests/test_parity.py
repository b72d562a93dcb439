def test_parity(assert_parity):
    assert_parity("both:old", "both:new", requests="requests.toml")
