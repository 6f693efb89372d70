// What an anywidget asks of its model. Another choice brings the values recorded for it.
const { pool, states, chosen, opened } = JSON.parse(
  document.getElementById("data").textContent,
  (name, value) => (name === "base64" ? bytes(value) : value?.base64 ?? value),
);
function bytes(text) {
  return new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}
const values = {}, listeners = {};
const fire = (name) => (listeners[`change:${name}`] || []).forEach((react) => react());
function take(state) {
  const changed = Object.keys(state).filter((name) => values[name] !== pool[state[name]]);
  for (const name of changed) values[name] = pool[state[name]];
  changed.forEach(fire);
}
const model = {
  get: (name) => values[name],
  set(name, value) {
    if (values[name] === value) return;
    values[name] = value;
    fire(name);
    if (chosen.includes(name)) take(states[JSON.stringify(chosen.map((choice) => values[choice]))]);
  },
  on: (name, react) => (listeners[name] ??= new Set()).add(react),
  off: (name, react) => listeners[name]?.delete(react),
  save_changes() {},
};
take(states[opened]);
render({ model, el: document.getElementById("panel") });
