// Says whether a name is free while the rest of the form is filled in. The token is in the page;
// where it has expired, the answer brings a new one, and the request is repeated with it.
const form = document.querySelector("form[data-check]");
const meta = document.querySelector("meta[name=csrf-token]");
const free = document.getElementById("free");
const name = form.elements.username;

function ask() {
  return fetch(form.dataset.check, {
    method: "POST",
    headers: { "X-CSRFToken": meta.content },
    body: new URLSearchParams({ username: name.value }),
  });
}

name.addEventListener("change", async () => {
  const asked = name.value;
  let answer = await ask();
  if (answer.headers.has("X-CSRFToken")) {
    meta.content = answer.headers.get("X-CSRFToken");
    if (answer.status === 400) answer = await ask();
  }
  if (!answer.ok || asked !== name.value) return;
  const said = await answer.json();
  free.textContent = said.free ? `The name ${asked} is free.` : `Username: ${said.errors.join(" ")}`;
});
