// Shows whether a name is free while the user fills in the form. The token is in the page. If it
// has expired, the response has a new one, and the request is sent again.
const form = document.querySelector("form[data-check]");
const meta = document.querySelector("meta[name=csrf-token]");
const free = document.getElementById("free");
const name = form.elements.username;

function checkName() {
  return fetch(form.dataset.check, {
    method: "POST",
    headers: { "X-CSRFToken": meta.content },
    body: new URLSearchParams({ username: name.value }),
  });
}

name.addEventListener("change", async () => {
  const checked = name.value;
  let response = await checkName();
  if (response.headers.has("X-CSRFToken")) {
    meta.content = response.headers.get("X-CSRFToken");
    if (response.status === 400) response = await checkName();
  }
  if (!response.ok || checked !== name.value) return;
  const result = await response.json();
  free.textContent = result.free ? `The name ${checked} is free.` : `Username: ${result.errors.join(" ")}`;
});
