// A view of a RoiSession. What is drawn lives here; what counts lives in Python.

const HELP = [
  ["drag", "draw; inside the rectangle move, on an edge resize (Shift: always draw anew)"],
  ["right drag, Alt + drag", "brightness (up and down) and contrast (left and right)"],
  ["wheel, Page Up, Page Down", "slice; Home and End: first and last"],
  ["arrow keys", "move by 1 pixel, with Shift by 10; with Alt resize"],
  ["Enter", "a rectangle in the middle, where there is none"],
  ["C", "copy to the next slice; Shift + C: all slices to the other sequence"],
  ["Ctrl + Z, Ctrl + Y", "undo, redo"],
  ["R, Delete", "back to the suggested rectangle"],
  ["1 … 4, I", "brightness presets, inverted"],
  ["[ and ]", "previous and next patient"],
  ["T", "the same patient before or after treatment: pre, post"],
  ["Tab, Esc", "other sequence, leave the editor"],
];
const GRIP_PX = 8; // how near to an edge, on the screen, counts as on it
const NO_ANSWER_MS = 4000;
const SAVE_AGAIN_MS = 4000;

function render({ model, el }) {
  const root = element("div", { class: "npc-widget" });
  el.replaceChildren(root);
  let series, volumes, panes, windows, drag = null, draft = null, inverted = false;
  let nudging = 0, waiting = 0, saving = 0, counter = Date.now();

  // --- the page ------------------------------------------------------------------------------

  const button = (text, title, action) =>
    element("button", { type: "button", title, "aria-label": title, onclick: action }, text);
  const undo = button("↶ undo", "undo (Ctrl + Z)", () => act("undo"));
  const redo = button("↷ redo", "redo (Ctrl + Y)", () => act("redo"));
  const other = button("", "", () => act("timepoint"));
  const slider = element("input", {
    type: "range", min: 0, step: 1, "aria-label": "slice",
    oninput: () => showSlice(Number(slider.value)),
  });
  const presets = element("select", { "aria-label": "brightness", onchange: () => preset(presets.value) });
  const place = element("span", { class: "npc-place" });
  const status = element("div", { class: "npc-status", role: "status", "aria-live": "polite" });
  const message = element("div", { class: "npc-message", role: "alert" });
  const unsaved = element("div", { class: "npc-unsaved", role: "alert" });
  const help = element("dl", { class: "npc-help", hidden: true });
  for (const [keys, meaning] of HELP) {
    help.append(element("dt", {}, keys), element("dd", {}, meaning));
  }
  const stage = element("div", { class: "npc-stage" });
  root.append(
    element("div", { class: "npc-bar" },
      button("‹", "previous patient ([)", () => act("patient", { step: -1 })),
      place,
      button("›", "next patient (])", () => act("patient", { step: 1 })),
      other,
      element("label", { class: "npc-slider" }, "slice", slider),
      button("copy to next", "copy to next slice (C)", () => act("copy_next")),
      button("copy to other sequence", "copy all slices to the other sequence (Shift + C)", () => act("copy_sequence")),
      undo, redo,
      button("reset", "back to the suggested rectangle (R)", () => act("reset")),
      presets,
      button("?", "keys (?)", () => (help.hidden = !help.hidden)),
    ),
    unsaved, stage, status, message, markOf(model), help,
  );

  // --- data ----------------------------------------------------------------------------------

  const state = () => model.get("state");
  const active = () => Math.max(0, series.findIndex((images) => images.name === model.get("sequence")));
  const sliceOf = (images) => clamp(model.get("slice_index"), 0, images.shape[0] - 1);

  function load() {
    const held = stage.contains(stage.getRootNode().activeElement); // a button keeps its focus
    series = model.get("series");
    volumes = model.get("volumes").map((bytes) => typed(Uint16Array, bytes));
    windows = series.map((images) => [...images.presets[0].window]);
    panes = series.map((images, i) => makePane(images, i));
    stage.replaceChildren(...panes.map((pane) => pane.root));
    presets.replaceChildren(
      ...series[0].presets.map((brightness, i) => element("option", { value: i }, `${i + 1} ${brightness.name}`)),
    );
    slider.max = Math.max(...series.map((images) => images.shape[0])) - 1;
    draft = drag = null;
    if (held) panes[active()].frame.focus({ preventScroll: true });
    draw();
  }

  function makePane(images, i) {
    const pane = new Pane(images.name.toUpperCase());
    pane.resize(images.shape[1], images.shape[2], images.spacing, images.letters);
    pane.box = shape("g");
    pane.lines.append(pane.box);
    const on = (name, react) => pane.frame.addEventListener(name, react, { passive: false });
    on("focus", () => activate(i));
    on("pointerdown", (event) => begin(event, i));
    on("pointermove", (event) => move(event, i));
    on("pointerup", (event) => end(event, i));
    on("pointercancel", cancel);
    on("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would open its own menu over a right drag
    });
    onWheel(pane.frame, (step) => showSlice(sliceOf(images) + step));
    return pane;
  }

  // --- drawing -------------------------------------------------------------------------------

  const draw = oncePerFrame(() => {
    if (!panes) return;
    const start = performance.now();
    panes.forEach((_, i) => drawPane(i));
    root.dataset.drawMs = (performance.now() - start).toFixed(2);
    const images = series[active()], box = boxOf(active());
    const { patient, n_patients, can_undo, can_redo, other_timepoint, has_other_timepoint } = state();
    place.textContent =
      `patient ${state().patient_id} (${patient} of ${n_patients}), slice ${sliceOf(images) + 1} of ${images.shape[0]}`;
    slider.value = sliceOf(images);
    [undo.disabled, redo.disabled, other.disabled] = [!can_undo, !can_redo, !has_other_timepoint];
    other.textContent = `show ${other_timepoint}`;
    other.title = other.ariaLabel = `show ${other_timepoint}-treatment images (T)`;
    status.textContent = box ? describe(images, box) : `${images.name.toUpperCase()}: no rectangle yet`;
  });

  function drawPane(i) {
    const pane = panes[i], images = series[i], size = images.shape[1] * images.shape[2];
    const [low, high] = windows[i];
    const grey = new Uint8ClampedArray(65536);
    const step = high > low ? 255 / (high - low) : Infinity;
    for (let v = 0; v < 65536; v++) grey[v] = v <= low ? 0 : (v - low) * step;
    const pixels = volumes[i].subarray(sliceOf(images) * size, (sliceOf(images) + 1) * size);
    const flip = inverted ? 255 : 0;
    for (let k = 0; k < size; k++) {
      const g = grey[pixels[k]] ^ flip;
      pane.words[k] = 0xff000000 | (g << 16) | (g << 8) | g;
    }
    pane.paint();
    pane.frame.classList.toggle("npc-active", i === active());
    const note = images.notes[clamp(model.get("slice_index"), 0, images.notes.length - 1)];
    pane.caption.textContent = images.name.toUpperCase() + (note && `: ${note}`);
    drawBox(pane, boxOf(i), i);
  }

  function drawBox(pane, box, i) {
    pane.box.replaceChildren();
    if (!box) return;
    const [x0, y0, x1, y1] = box;
    const place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
    const copied = (state().sources[series[i].name] || {})[sliceOf(series[i])];
    pane.box.append(
      shape("rect", { ...place, class: "npc-halo" }),
      shape("rect", { ...place, class: `npc-box npc-${copied || "none"}` }),
    );
    if (i !== active()) return;
    for (const x of [x0, (x0 + x1) / 2, x1]) {
      for (const y of [y0, (y0 + y1) / 2, y1]) {
        const middle = x !== x0 && x !== x1 && y !== y0 && y !== y1;
        if (!middle) pane.box.append(shape("circle", { cx: x, cy: y, r: pane.columns / 110, class: "npc-grip" }));
      }
    }
  }

  function boxOf(i) {
    const images = series[i];
    if (draft && draft.name === images.name && draft.slice === sliceOf(images)) return draft.box;
    return (model.get("rois")[images.name] || {})[sliceOf(images)];
  }

  function describe(images, [x0, y0, x1, y1]) {
    const [width, height] = [x1 - x0, y1 - y0];
    const mm = `${(width * images.spacing[1]).toFixed(1)} × ${(height * images.spacing[0]).toFixed(1)} mm`;
    const source = (state().sources[images.name] || {})[sliceOf(images)] || "";
    const kept = draft ? "drawing" : source;
    return `${images.name.toUpperCase()}: ${width} × ${height} px = ${mm}, columns ${x0} to ${x1}, rows ${y0} to ${y1} (${kept})`;
  }

  // --- what the user does --------------------------------------------------------------------

  function act(action, more = {}) {
    commitNudge();
    send(action, more);
  }

  function send(action, more = {}) {
    const images = series[active()];
    model.send({ action, id: ++counter, sequence: images.name, slice_index: sliceOf(images), ...more });
    root.dataset.waiting = "yes";
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      message.textContent = "The kernel does not answer: the last change is not saved. Is it busy, or was it restarted?";
    }, NO_ANSWER_MS);
  }

  function commit(box) {
    const images = series[active()];
    draft = { name: images.name, slice: sliceOf(images), box };
    send("set", { box });
    draw();
  }

  function showSlice(wanted) {
    commitNudge();
    model.set("slice_index", clamp(wanted, 0, Math.max(...series.map((images) => images.shape[0])) - 1));
    model.save_changes();
    draw();
  }

  function activate(i) {
    if (series[i].name === model.get("sequence")) return;
    commitNudge();
    model.set("sequence", series[i].name);
    model.save_changes();
    draw();
  }

  function preset(number) {
    windows = series.map((images) => [...images.presets[clamp(number, 0, images.presets.length - 1)].window]);
    presets.value = number;
    draw();
  }

  // --- pointer -------------------------------------------------------------------------------

  function edgesAt(pane, event, box) {
    if (!box) return null;
    const [x, y] = pane.at(event), bounds = pane.canvas.getBoundingClientRect();
    const [gx, gy] = [(GRIP_PX * pane.columns) / bounds.width, (GRIP_PX * pane.rows) / bounds.height];
    const [x0, y0, x1, y1] = box;
    if (x < x0 - gx || x > x1 + gx || y < y0 - gy || y > y1 + gy) return null;
    const near = (value, low, high, grip) =>
      Math.abs(value - low) <= grip ? -1 : Math.abs(value - high) <= grip ? 1 : 0;
    return [near(x, x0, x1, gx), near(y, y0, y1, gy)];
  }

  const CURSORS = { "0,0": "move", "-1,0": "ew-resize", "1,0": "ew-resize", "0,-1": "ns-resize",
    "0,1": "ns-resize", "-1,-1": "nwse-resize", "1,1": "nwse-resize", "1,-1": "nesw-resize", "-1,1": "nesw-resize" };

  function begin(event, i) {
    event.preventDefault();
    commitNudge();
    panes[i].frame.focus({ preventScroll: true });
    activate(i);
    panes[i].frame.setPointerCapture(event.pointerId);
    const box = boxOf(i), from = panes[i].at(event);
    if (event.button === 2 || event.altKey) {
      drag = { kind: "window", x: event.clientX, y: event.clientY, window: [...windows[i]] };
      return;
    }
    if (event.button !== 0) return;
    const edges = event.shiftKey ? null : edgesAt(panes[i], event, box);
    drag = { kind: edges ? "change" : "draw", from, box: box && [...box], edges };
  }

  function move(event, i) {
    const pane = panes[i];
    if (!drag) {
      const edges = event.shiftKey ? null : edgesAt(pane, event, boxOf(i));
      pane.frame.style.cursor = edges ? CURSORS[String(edges)] : "crosshair";
      return;
    }
    if (drag.kind === "window") {
      windows[i] = dragged(drag, event, series[i]);
    } else {
      draft = { name: series[i].name, slice: sliceOf(series[i]), box: changed(drag, pane.at(event), pane) };
    }
    draw();
  }

  function dragged({ x, y, window: [low, high] }, event, images) {
    const unit = images.presets[1].window[1] / 600;
    const centre = (low + high) / 2 + (event.clientY - y) * unit;
    const width = Math.max(1, high - low + (event.clientX - x) * unit);
    return [centre - width / 2, centre + width / 2];
  }

  function changed({ kind, from, box, edges }, to, { columns, rows }) {
    const [dx, dy] = [Math.round(to[0] - from[0]), Math.round(to[1] - from[1])];
    let x0, y0, x1, y1;
    if (kind === "draw") {
      [x0, y0, x1, y1] = [...from, ...to].map(Math.round);
    } else if (edges[0] === 0 && edges[1] === 0) {
      const mx = clamp(dx, -box[0], columns - box[2]), my = clamp(dy, -box[1], rows - box[3]);
      return [box[0] + mx, box[1] + my, box[2] + mx, box[3] + my];
    } else {
      [x0, y0, x1, y1] = box;
      if (edges[0] < 0) x0 += dx;
      if (edges[0] > 0) x1 += dx;
      if (edges[1] < 0) y0 += dy;
      if (edges[1] > 0) y1 += dy;
    }
    return [
      clamp(Math.min(x0, x1), 0, columns), clamp(Math.min(y0, y1), 0, rows),
      clamp(Math.max(x0, x1), 0, columns), clamp(Math.max(y0, y1), 0, rows),
    ];
  }

  function end(event, i) {
    const finished = drag;
    drag = null;
    if (!finished || finished.kind === "window" || !draft) return;
    const [x0, y0, x1, y1] = draft.box;
    const { smallest } = model.get("sizes"), small = x1 - x0 < smallest || y1 - y0 < smallest;
    const same = finished.kind === "change" && String(finished.box) === String(draft.box);
    if (small || same) {
      cancel();
      if (small) message.textContent = `A rectangle has at least ${smallest} × ${smallest} pixels.`;
    } else {
      commit(draft.box);
    }
  }

  function cancel() {
    drag = draft = null;
    draw();
  }

  // --- keys ----------------------------------------------------------------------------------

  // Arrow keys change the picture at once and reach Python as one step after a short rest.
  function nudge(dx, dy, resize) {
    const i = active(), box = boxOf(i), { columns, rows } = panes[i];
    if (!box) return;
    const [x0, y0, x1, y1] = box;
    let next;
    if (resize) {
      const { smallest } = model.get("sizes");
      next = [x0, y0, clamp(x1 + dx, x0 + smallest, columns), clamp(y1 + dy, y0 + smallest, rows)];
    } else {
      const mx = clamp(dx, -x0, columns - x1), my = clamp(dy, -y0, rows - y1);
      next = [x0 + mx, y0 + my, x1 + mx, y1 + my];
    }
    draft = { name: series[i].name, slice: sliceOf(series[i]), box: next };
    root.dataset.waiting = "yes";
    clearTimeout(nudging);
    nudging = setTimeout(commitNudge, 250);
    draw();
  }

  function commitNudge() {
    if (!nudging) return;
    clearTimeout(nudging);
    nudging = 0;
    if (draft) commit(draft.box);
    else root.dataset.waiting = "no";
  }

  function middle() {
    const { columns, rows } = panes[active()];
    if (boxOf(active())) return;
    const [width, height] = model.get("sizes").usual;
    const [w, h] = [Math.min(width, columns), Math.min(height, rows)];
    const [x, y] = [Math.floor((columns - w) / 2), Math.floor((rows - h) / 2)];
    commit([x, y, x + w, y + h]);
  }

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function key(event) {
    if (!event.target.closest(".npc-frame") || event.metaKey) return;
    const here = sliceOf(series[active()]), name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const plain = {
      PageUp: () => showSlice(here + 1), PageDown: () => showSlice(here - 1),
      Home: () => showSlice(0), End: () => showSlice(Infinity), Enter: middle,
      c: () => act(event.shiftKey ? "copy_sequence" : "copy_next"),
      r: () => act("reset"), Delete: () => act("reset"), Backspace: () => act("reset"),
      i: () => { inverted = !inverted; draw(); },
      "[": () => act("patient", { step: -1 }), "]": () => act("patient", { step: 1 }),
      t: () => act("timepoint"),
      "?": () => (help.hidden = !help.hidden),
      Escape: () => (drag || draft ? cancel() : event.target.blur()),
      1: () => preset(0), 2: () => preset(1), 3: () => preset(2), 4: () => preset(3),
    };
    const withControl = { z: () => act(event.shiftKey ? "redo" : "undo"), y: () => act("redo") };
    const react = event.ctrlKey ? withControl[name] : plain[name];
    if (STEPS[name] && !event.ctrlKey) {
      const far = event.shiftKey ? 10 : 1;
      nudge(STEPS[name][0] * far, STEPS[name][1] * far, event.altKey);
    } else if (react) {
      react();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // --- Python answers ------------------------------------------------------------------------

  function answered() {
    if (state().answered < counter) return; // another command is on its way
    clearTimeout(waiting);
    root.dataset.waiting = "no";
    message.textContent = state().message;
    showUnsaved();
    if (!drag && !nudging) draft = null;
    draw();
  }

  // Stays until everything is on the disk; meanwhile Python is asked to try again.
  function showUnsaved() {
    unsaved.textContent = state().unsaved;
    clearTimeout(saving);
    if (state().unsaved) saving = setTimeout(() => send("save"), SAVE_AGAIN_MS);
  }

  const keepPage = (event) => state().unsaved && event.preventDefault();
  window.addEventListener("beforeunload", keepPage);
  root.addEventListener("keydown", key);
  const reactions = { "change:volumes": load, "change:state": answered, "change:rois": draw,
    "change:slice_index": draw, "change:sequence": draw };
  for (const [name, react] of Object.entries(reactions)) model.on(name, react);
  const seen = new IntersectionObserver(draw);
  seen.observe(root);
  load();
  showUnsaved();
  return () => {
    seen.disconnect();
    [waiting, saving, nudging].forEach(clearTimeout);
    window.removeEventListener("beforeunload", keepPage);
    for (const [name, react] of Object.entries(reactions)) model.off(name, react);
  };
}

export default { render };
