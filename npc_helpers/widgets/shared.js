// Helpers of all widgets; placed before the widget's own module.

// JupyterLab's shortcuts look at the focused element before its parents, so each one that can
// have the focus must say itself that its keys are not for the notebook.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (["button", "select", "input", "summary"].includes(tag) || "tabindex" in attributes) {
    made.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// What kind of patients a widget shows: the study says it, the widget only repeats it.
function markOf(model) {
  return element("div", { class: "npc-mark" }, model.get("mark"));
}

function shape(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Bytes arrive as a DataView at any offset; typed arrays want their own alignment.
function typed(Kind, view) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

const WHEEL_PX = 50; // a notch of a mouse wheel is more, an event of a touchpad far less
const LINE_PX = 17; // where a browser counts a wheel in lines

// Call `step` with 1 or -1 for each notch of a wheel; a touchpad's small movements add up to one.
function onWheel(frame, step) {
  let rolled = 0;
  const roll = (event) => {
    event.preventDefault();
    const pixels = event.deltaMode ? event.deltaY * LINE_PX : event.deltaY;
    rolled = rolled * pixels < 0 ? pixels : rolled + pixels;
    if (Math.abs(rolled) < WHEEL_PX) return;
    const direction = Math.sign(rolled);
    rolled = 0;
    step(direction);
  };
  frame.addEventListener("wheel", roll, { passive: false });
}

// One picture: a canvas in image pixels, an overlay of lines, and letters at the edges.
// `spacing` is mm between rows and between columns, so that a circle stays round.
class Pane {
  constructor(label) {
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.lines = shape("svg", { preserveAspectRatio: "none" });
    this.caption = element("figcaption", {}, label);
    this.letters = ["left", "right", "top", "bottom"].map((side) =>
      element("span", { class: `npc-letter npc-${side}`, "aria-hidden": "true" }),
    );
    this.frame = element(
      "div",
      { class: "npc-frame", tabindex: "0", role: "application", "aria-label": label },
      this.canvas,
      this.lines,
      ...this.letters,
    );
    this.root = element("figure", { class: "npc-pane" }, this.caption, this.frame);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }

  resize(rows, columns, spacing = [1, 1], letters = "") {
    [this.rows, this.columns] = [rows, columns];
    [this.canvas.width, this.canvas.height] = [columns, rows];
    const aspect = (columns * spacing[1]) / (rows * spacing[0]);
    this.frame.style.aspectRatio = aspect;
    this.root.style.setProperty("--npc-aspect", aspect);
    this.lines.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    this.letters.forEach((place, i) => (place.textContent = letters[i] || ""));
    this.picture = this.context.createImageData(columns, rows);
    this.words = new Uint32Array(this.picture.data.buffer);
  }

  // Image coordinates (column, row) of a pointer; whole numbers are borders between pixels.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.columns,
      ((event.clientY - box.top) / box.height) * this.rows,
    ];
  }

  paint() {
    this.context.putImageData(this.picture, 0, 0);
  }
}

// Call `draw` when the browser next paints, once, however often it was asked for.
function oncePerFrame(draw) {
  let asked = 0;
  return () => {
    if (!asked) {
      asked = requestAnimationFrame(() => {
        asked = 0;
        draw();
      });
    }
  };
}
