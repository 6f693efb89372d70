
function render({ model, el }) {
  const list = make("div", { class: "npc-series-list" });
  const message = make("p", { class: "npc-status", role: "status" });
  el.classList.add("npc-widget");
  el.append(make("p", { class: "npc-mark" }, model.get("mark")), message, list);
  model.on("change:message", () => { message.textContent = model.get("message"); });
  drawSeries(list, structuredClone(model.get("series")), (id, words) => {
    model.set("decision", [id, words]);
    model.save_changes();
  });
}

export default { render };
