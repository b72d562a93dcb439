// The same request twice: with jQuery as it was, and with fetch as it is.
$(function () {
  $("a#calculate").on("click", function () {
    $.getJSON($SCRIPT_ROOT + "/_add_numbers", {
      a: $('input[name="a"]').val(),
      b: $('input[name="b"]').val(),
    }, function (data) {
      $("#result").text(data.result);
    });
    return false;
  });
});

document.getElementById("calculate-fetch").addEventListener("click", () => {
  const query = new URLSearchParams({
    a: document.querySelector("input[name=a]").value,
    b: document.querySelector("input[name=b]").value,
  });
  fetch(`${$SCRIPT_ROOT}/_add_numbers?${query}`)
    .then((response) => response.json())
    .then((data) => { document.getElementById("result").textContent = data.result; });
});
