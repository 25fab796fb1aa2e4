/* Fills the figures that zoom with as many columns as they have pixels, colours all figures by the reader's theme, and
   binds list, buttons and keys. The figures themselves are made by figures.py, the data by data.py. The figures that zoom
   come first, and can be used while the others are still being made. */
(async () => {
  const report = JSON.parse(document.getElementById("description").textContent);
  const { n, packing, events } = report;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // ---------------------------------------------------------------- data

  /** Five digits of a number, and more if the shown values differ only in later ones. */
  const number = (value, spread) => {
    const digits = 5 + Math.max(0, Math.ceil(Math.log10(Math.abs(value) / spread)) || 0);
    return String(Number(value.toPrecision(Math.min(digits, 15)))).replace("-", "−");
  };
  const spaced = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  const times = new Times(report.times, n, packing, bytes);
  const score = new Series("score", report.score, packing, report.log);
  const channels = report.channels.map(({ name, levels }, index) => ({
    name,
    series: new Series(`channel-${index}`, levels, packing),
  }));
  const flagged = stretches("flagged");
  const labelled = stretches("labelled");

  // ---------------------------------------------------------------- figures

  Bokeh.set_log_level("warn");
  const host = document.getElementById("explorer");
  const roots = {};
  const embed = async (name) => ([roots[name]] = await Bokeh.embed.embed_item(report.figures[name], name));
  await embed("explorer");
  const [figures] = Bokeh.documents;
  const model = (name) => figures.get_model_by_name(name);
  const view = model("view");
  const slots = [];
  for (let slot = 0; model(`channel_${slot}`); slot++) slots.push({ slot, channel: null });
  const plots = ["score", "lanes", ...slots.map(({ slot }) => `channel_${slot}`)].map(model);
  let selected = null;

  const width = () => Math.max(1, Math.round(model("score").inner_width));

  /** The line through minima and maxima, ordered so that it passes from column to column by the shortest way. */
  function line({ size, row, low, high }) {
    const stop = Math.min(row + size * low.length, n);
    const seen = (2 * (times.x(stop - 1) - times.x(row))) / width();
    const gaps = (times.gaps ?? []).filter((gap) => gap.length > seen && gap.row > row && gap.before < stop);
    const x = [];
    const y = [];
    const add = (place, values) => {
      for (const value of values) {
        x.push(place);
        y.push(value);
      }
    };
    let next = 0;
    for (let i = 0; i < low.length; i++, row += size) {
      const last = Math.min(row + size, n) - 1;
      const values = size === 1 ? [low[i]] : i % 2 ? [high[i], low[i]] : [low[i], high[i]];
      if (gaps[next]?.row === row) {
        add(times.x(row), [NaN]);
        next++;
      }
      if (gaps[next]?.before <= last) {
        // A column with a gap is on both sides of it.
        add(times.x(gaps[next].before), values);
        while (gaps[next + 1]?.before <= last) next++;
        if (gaps[next].row <= last) add(times.x(gaps[next++].row), [NaN, ...values]);
      } else {
        add(times.x((row + last) / 2), values);
      }
    }
    return { x: Float64Array.from(x), y: Float64Array.from(y) };
  }

  /** Let a vertical range show the values; it stays as it is while they fill most of it, so that it rarely jumps. */
  function fit(range, values, log) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (log && value <= 0) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) [low, high] = [0.1, 1];
    if (log) {
      const air = Math.max((high / low) ** 0.06, 1.1);
      [low, high] = [low / air, high * air];
    } else {
      const air = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1;
      [low, high] = [low - air, high + air];
    }
    const length = log ? (from, to) => Math.log(to / from) : (from, to) => to - from;
    const inside = low >= range.start && high <= range.end;
    if (!inside || length(low, high) < 0.6 * length(range.start, range.end)) range.setv({ start: low, end: high });
  }

  function drawLine(name, series, first, last, range, including = null) {
    const columns = series.columns(first, last, width());
    const data = line(columns);
    model(name).data = data;
    fit(model(range), including === null ? data.y : [...data.y, including], series.log);
    host.dataset.points = Number(host.dataset.points) + data.x.length;
    return columns.size;
  }

  const edges = (start, end) => ({ left: [times.x(start - 0.5)], right: [times.x(end + 0.5)] });

  /** Stretches of rows as strips of three pixels at least; those that touch on screen become one. */
  function strips({ starts, ends }, range) {
    const left = [];
    const right = [];
    const least = (3 * (range.end - range.start)) / width();
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times.x(ends[middle] + 0.5) < range.start) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < starts.length; i++) {
      let [from, to] = [times.x(starts[i] - 0.5), times.x(ends[i] + 0.5)];
      if (from > range.end) break;
      const wider = Math.max(0, least - (to - from)) / 2;
      [from, to] = [from - wider, to + wider];
      if (right.length && from <= right[right.length - 1]) {
        right[right.length - 1] = Math.max(to, right[right.length - 1]);
      } else {
        left.push(from);
        right.push(to);
      }
    }
    return { left, right };
  }

  function redraw() {
    const first = clamp(Math.floor(times.row(view.start)), 0, n - 1);
    const last = clamp(Math.ceil(times.row(view.end)), first, n - 1);
    host.dataset.points = 0;
    const size = drawLine("score_line", score, first, last, "score_range", report.threshold);
    let channelSize = 1;
    model("flagged").data = strips(flagged, view);
    if (model("labelled")) model("labelled").data = strips(labelled, view);
    for (const { slot, channel } of slots) {
      if (channel === null) continue;
      channelSize = drawLine(`line_${slot}`, channels[channel].series, first, last, `channel_${slot}_range`);
    }
    Object.assign(host.dataset, { first, last, size });
    tellResolution(first, last, size, channelSize);
  }

  function tellResolution(first, last, size, channelSize) {
    const each = (count) => (count === 1 ? "every point" : `the minimum and maximum of ${spaced(count)} points each`);
    const more = channelSize > size ? `; of the channels ${each(channelSize)}` : "";
    const rows = `Rows ${spaced(first)} to ${spaced(last)} of ${spaced(n)}`;
    document.getElementById("resolution").textContent = `${rows}, drawn: ${each(size)}${more}.`;
  }

  function drawOverview() {
    const range = { start: times.x(0), end: times.x(n - 1) };
    const drawn = host.dataset.points;
    drawLine("overview_line", score, 0, n - 1, "overview_range");
    host.dataset.points = drawn;
    model("overview_flagged").data = strips(flagged, range);
  }

  // ---------------------------------------------------------------- view and selection

  const [least, greatest] = view.bounds;

  function show(start, end) {
    const span = clamp(end - start, view.min_interval, greatest - least);
    const from = clamp((start + end - span) / 2, least, greatest - span);
    view.setv({ start: from, end: from + span });
  }

  function move(shift, factor = 1) {
    const half = (view.end - view.start) / 2;
    const middle = view.start + half + 2 * half * shift;
    show(middle - half * factor, middle + half * factor);
  }

  const acts = {
    whole: () => show(least, greatest),
    earlier: () => move(-0.4),
    later: () => move(0.4),
    in: () => move(0, 0.5),
    out: () => move(0, 2),
  };
  const keys = { ArrowLeft: "earlier", ArrowRight: "later", "+": "in", "=": "in", "-": "out", Home: "whole" };

  const choice = document.getElementById("channel"); // there are more channels than fit
  const percent = (share) => (share < 0.01 ? "<1 %" : `${Math.round(100 * share)} %`);

  /** A channel's title; a name that is too long for the plot ends in an ellipsis. */
  function title(name, share = null) {
    const note = share === null || channels.length === 1 ? "" : ` — ${percent(share)} of the event’s score`;
    const signs = [...name];
    const room = Math.max(8, Math.floor(width() / 6.5) - note.length);
    return (signs.length > room ? `${signs.slice(0, room - 1).join("")}…` : name) + note;
  }

  /** Put channels into the slots; the last one is for the channel chosen by the reader. */
  function showChannels() {
    const shown = (selected ?? events[0])?.channels ?? channels.map((_, index) => [index, null]);
    const room = choice ? slots.length - 1 : slots.length;
    const titled = shown.slice(0, room).map(([channel, share]) => ({ channel, title: title(channels[channel].name, share) }));
    if (choice?.value) titled.push({ channel: Number(choice.value), title: title(channels[choice.value].name) });
    slots.forEach((entry, index) => {
      entry.channel = titled[index]?.channel ?? null;
      model(`title_${index}`).text = titled[index]?.title ?? "";
      model(`time_${index}`).visible = index === titled.length - 1;
      model(`values_${index}`).visible = model(`channel_${index}`).visible = entry.channel !== null;
    });
    redraw();
  }

  const list = document.getElementById("events");
  const buttons = [...(list?.querySelectorAll("button") ?? [])];

  /** Let the tab key reach only one event; the arrow keys lead to the others. */
  function reach(index) {
    buttons.forEach((button, place) => (button.tabIndex = place === index ? 0 : -1));
  }

  function select(index, { zoom = true } = {}) {
    selected = events[index];
    buttons.forEach((button, place) => {
      if (place === index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    reach(index);
    model("selected").data = edges(selected.start, selected.end);
    showChannels();
    if (zoom) show(times.x(selected.first), times.x(selected.last));
  }

  // ---------------------------------------------------------------- reading values

  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.hidden = true;
  host.append(cursor);

  function read({ x, sx }) {
    const row = clamp(Math.round(times.row(x)), 0, n - 1);
    const value = (series, plot) => {
      const { start, end } = model(`${plot}_range`);
      const ends = [...new Set(series.at(row))].map((extreme) => number(extreme, end - start));
      return Number.isNaN(series.at(row)[0]) ? "–" : ends.join(" … ");
    };
    const shown = slots.filter(({ channel }) => channel !== null);
    const values = shown.map(({ slot, channel }) => `${channels[channel].name} ${value(channels[channel].series, `channel_${slot}`)}`);
    const parts = [`row ${spaced(row)}`, `score ${value(score, "score")}`, ...values];
    document.getElementById("readout").textContent = times.text(row) + parts.join(" · ");
    cursor.style.left = `${sx}px`;
    cursor.hidden = false;
  }

  // ---------------------------------------------------------------- colours

  /** Colour the figures by the theme; a model's tag says which colour of the style sheet its property takes. */
  function paint(documents = Bokeh.documents) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const font = getComputedStyle(document.body).fontFamily;
    const roles = {
      axis_line_color: colour("muted"),
      major_tick_line_color: colour("muted"),
      grid_line_color: colour("grid"),
      axis_label_text_color: colour("muted"),
      major_label_text_color: colour("muted"),
      label_text_color: colour("ink"),
      text_color: colour("ink"),
      axis_label_text_font: font,
      major_label_text_font: font,
      label_text_font: font,
      text_font: font,
    };
    for (const figure of documents) {
      for (const part of figure.all_models) {
        const own = Object.keys(roles).filter((property) => property in part.properties);
        part.setv(Object.fromEntries(own.map((property) => [property, roles[property]])));
        for (const tag of part.tags) {
          const [property, name] = tag.split(":");
          part[property] = colour(name);
        }
      }
    }
  }

  /** Put pictures of the figures, in the light theme, where the style sheet wants them on paper. */
  async function print() {
    document.documentElement.dataset.theme = "light";
    paint();
    // Glyphs take their colours in microtasks, and all of these run before the page is laid out on paper.
    for (let turn = 0; turn < 100; turn++) await null;
    for (const [name, root] of Object.entries(roots)) {
      const picture = root.export("png", true).canvas;
      picture.className = "printed";
      picture.removeAttribute("style");
      document.getElementById(name).append(picture);
    }
  }

  function afterPrint() {
    document.querySelectorAll(".printed").forEach((picture) => picture.remove());
    delete document.documentElement.dataset.theme;
    paint();
  }

  // ---------------------------------------------------------------- bindings

  function* elements(root) {
    for (const element of root.querySelectorAll("*")) {
      yield element;
      if (element.shadowRoot) yield* elements(element.shadowRoot);
    }
  }

  for (const { slot } of [{ slot: "lanes" }, ...slots]) times.label(model(`time_${slot}`).formatter);
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint());
  addEventListener("beforeprint", print);
  addEventListener("afterprint", afterPrint);
  // A finger moves the plots sideways and the page up and down.
  for (const element of elements(host)) {
    if (element.classList.contains("bk-events")) element.style.touchAction = "pan-y";
  }

  channels.forEach(({ name }, index) => choice?.append(new Option(name, index)));
  choice?.addEventListener("change", showChannels);

  view.change.connect(redraw);
  model("score").properties.inner_width.change.connect(() => {
    drawOverview();
    showChannels();
  });
  for (const plot of plots) {
    plot.on_event("mousemove", read);
    plot.on_event("tap", read);
    plot.on_event("mouseleave", () => (cursor.hidden = true));
  }

  document.querySelector(".buttons").addEventListener("click", ({ target }) => acts[target.dataset.act]?.());
  host.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[keys[event.key]]();
  });
  list?.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-event]");
    if (!button) return;
    select(Number(button.dataset.event));
    const { top, bottom } = host.getBoundingClientRect();
    if (top > innerHeight * 0.6 || bottom < innerHeight * 0.4) host.closest(".plots").scrollIntoView();
  });
  list?.addEventListener("keydown", (event) => {
    const place = buttons.indexOf(document.activeElement);
    const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (!buttons[next]) return;
    event.preventDefault();
    reach(next);
    buttons[next].focus();
  });

  if (report.trainEnd) model("training").data = edges(0, report.trainEnd - 1);
  drawOverview();
  if (events.length) select(0, { zoom: false });
  else showChannels();
  document.documentElement.dataset.explorable = "";
  for (const name of Object.keys(report.figures).filter((figure) => figure !== "explorer")) {
    await new Promise((done) => setTimeout(done)); // the browser renders what there is
    await embed(name);
    paint([Bokeh.documents.at(-1)]);
  }
  document.documentElement.dataset.ready = "";
})();
