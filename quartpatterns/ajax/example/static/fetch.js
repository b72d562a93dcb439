const element = (id) => document.getElementById(id);
const say = (text) => { element("answer").textContent = text; };
const on = (id, event, action) => element(id).addEventListener(event, (happened) => {
  happened.preventDefault();
  action(happened.target).catch((error) => say(String(error)));
});

async function json(response) {
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return response.json();
}

element("names").textContent = names.join(", ");
element("chart").textContent = JSON.parse(element("chart").dataset.names).join(", ");

on("load-users", "click", async () => {
  const users = await json(await fetch(users_url));
  element("users").replaceChildren(...users.map((user) => {
    const item = document.createElement("li");
    const picture = document.createElement("img");
    picture.src = user.picture;
    picture.alt = "";
    item.append(picture, ` ${user.username}, ${user.email}`);
    return item;
  }));
});

on("user", "submit", async (form) => {
  const { id, ...data } = Object.fromEntries(new FormData(form));
  const user = await json(await fetch(`${SCRIPT_ROOT}/user/${id}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  }));
  say(`User ${id} is ${user.username} now.`);
});

on("room", "submit", async (form) => {
  const room = await json(await fetch(room_url, { method: "POST", body: new FormData(form) }));
  say(`There is a room ${room.name}.`);
});

on("login", "submit", async (form) => {
  const response = await fetch(login_url, { method: "POST", body: new FormData(form) });
  if (response.redirected) location = response.url;
  else say("Invalid credentials");
});

let number = 0;
on("next-fact", "click", async () => {
  const response = await fetch(`${geology_url}?number=${++number}`);
  element("geology-fact").innerHTML = await response.text();
});
