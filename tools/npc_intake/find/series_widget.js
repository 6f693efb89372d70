
function render({ model, el }) {
  const list = make("div", { class: "npc-series-list" });
  const message = make("p", { class: "npc-status", role: "status" }, model.get("message"));
  el.classList.add("npc-widget");
  el.append(make("p", { class: "npc-mark" }, model.get("mark")), message, list);
  model.on("change:message", () => { message.textContent = model.get("message"); });
  let click = 0; // the same click once more is a new one
  const refuse = drawSeries(list, structuredClone(model.get("series")), (id, words) => {
    click += 1;
    model.set("decision", [id, words, click]);
    model.save_changes();
  });
  model.on("change:unsaved", () => {
    const [id, onDisk, reason] = model.get("unsaved");
    refuse[id]?.(onDisk, reason);
  });
}

export default { render };
