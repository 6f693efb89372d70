// Draws the series of a study with their pictures and buttons. Used by the page that works from a
// disk and by the widget; every text from a header is set as text, never as markup.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const HEADINGS = {
  decide: "To decide",
  proposed: "Proposed",
  refused: "Refused: something is wrong with the files",
  ignored: "Ignored: of no use here",
};

function choices(series) {
  const places = series.timepoint ? [""] : ["pre ", "post "];
  return [...places.flatMap((place) => [`${place}t2w`, `${place}t1c`]), "skip"];
}

// Returns, by id of the series, what to call when a decision could not be saved.
function drawSeries(root, all, decide) {
  const refuse = {};
  root.replaceChildren();
  for (const [status, heading] of Object.entries(HEADINGS)) {
    const group = all.filter((series) => series.status === status);
    if (!group.length) continue;
    const section = make("details", status === "ignored" ? {} : { open: "" },
      make("summary", {}, `${heading} (${group.length})`));
    for (const series of group) {
      const [article, undo] = card(series, decide);
      section.append(article);
      refuse[series.id] = undo;
    }
    root.append(section);
  }
  return refuse;
}

function card(series, decide) {
  const facts = [
    ["patient", series.patient_id], ["date", `${series.study_date} ${series.time}`],
    ["series", series.series_number], ["slices", `${series.n_slices}, ${series.matrix}`],
    ["TR, TE", `${series.tr_ms}, ${series.te_ms} ms`], ["flip angle", series.flip_deg && `${series.flip_deg}°`],
    ["contrast", series.contrast], ["said before", series.words],
  ];
  const list = make("dl", {});
  for (const [name, value] of facts) {
    if (value && value.trim()) list.append(make("dt", {}, name), make("dd", {}, value));
  }
  const pictures = make("div", { class: "npc-series-pictures" });
  for (const picture of series.pictures) {
    pictures.append(picture.startsWith("data:image/")
      ? make("img", { src: picture, alt: `slice of ${series.description || "a series"}` })
      : make("p", {}, picture));
  }
  const state = make("strong", { "aria-live": "polite" });
  const bar = make("div", { class: "npc-bar", role: "group", "aria-label": "decide" });
  const problem = make("p", { class: "npc-message npc-problem", role: "alert" });
  const article = make("article", { class: `npc-series npc-${series.status}` },
    make("h3", {}, series.description || "no description", " ", state),
    pictures, list, make("p", {}, series.reason), bar, problem);
  const show = () => {
    const place = `${series.timepoint} ${series.kind}`.trim();
    state.textContent = series.decided ? `decided: ${series.decided}`
      : series.status === "proposed" ? `proposed: ${place}` : place;
    article.classList.toggle("npc-decided", Boolean(series.decided));
    for (const button of bar.children) {
      button.setAttribute("aria-pressed", String(button.value === series.decided && button.value !== ""));
      if (button.value === "") button.disabled = !series.decided;
    }
  };
  for (const words of [...choices(series), ""]) {
    const button = make("button", { type: "button", value: words }, words || "take back");
    button.addEventListener("click", () => {
      series.decided = words;
      problem.textContent = "";
      show();
      decide(series.id, words);
    });
    bar.append(button);
  }
  show();
  const undo = (onDisk, reason) => {
    series.decided = onDisk;
    problem.textContent = reason;
    show();
  };
  return [article, undo];
}
