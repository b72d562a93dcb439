// Send a form, get the id of a result, ask for the result until it is ready.
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function answer(response) {
  const isJSON = response.headers.get("Content-Type")?.startsWith("application/json");
  const data = isJSON ? await response.json() : {};
  if (!response.ok) throw new Error(data.error ?? `the server answered ${response.status}`);
  return data;
}

async function result(id) {
  const url = document.body.dataset.resultUrl.replace("ID", encodeURIComponent(id));
  for (let wait = 100; ; wait = Math.min(wait * 1.5, 2000)) {
    const data = await answer(await fetch(url));
    if (data.ready) return data;
    await pause(wait);
  }
}

async function run(form) {
  const output = form.querySelector("output");
  output.className = "";
  output.textContent = "queued …";
  try {
    const body = new URLSearchParams(new FormData(form));
    const { result_id: id } = await answer(await fetch(form.action, { method: "POST", body }));
    const { successful, value } = await result(id);
    output.className = successful ? "" : "failed";
    output.textContent = value;
  } catch (error) {
    output.className = "failed";
    output.textContent = error.message;
  }
}

for (const form of document.forms) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    await run(form);
    button.disabled = false;
    button.focus();
  });
}
