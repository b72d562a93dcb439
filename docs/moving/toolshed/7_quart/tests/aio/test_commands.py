async def test_init_db(app):
    result = await app.test_cli_runner().invoke_async(args=["init-db"])
    assert "The tables are there." in result.output
