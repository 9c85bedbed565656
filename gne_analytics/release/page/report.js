"use strict";
(() => {
  const openTo = () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!row) return;
    for (let box = row.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    row.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", openTo);

  const data = document.getElementById("figures");
  if (data) {
    const { templates, plots } = JSON.parse(data.textContent);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const config = { displayModeBar: false };
    // Boxes change width with more than the window: a scrollbar, a phone that turns, details that open.
    const sizes = new ResizeObserver((changed) => changed.forEach(({ target }) => {
      if (target.offsetParent !== null && target.data) Plotly.Plots.resize(target);
    }));
    const draw = (name) => plots.forEach((plot, i) => {
      const box = document.getElementById("plot-" + i);
      // A box in closed details has no width yet: it is drawn when it opens.
      if (box.offsetParent === null) return;
      Plotly.react(box, plot.data, { ...plot.layout, template: templates[name], autosize: true }, config);
      sizes.observe(box);
    });
    const theme = () => (dark.matches ? "gne_dark" : "gne");
    dark.addEventListener("change", () => draw(theme()));
    addEventListener("beforeprint", () => {
      document.querySelectorAll("details:not(#evidence-rows)").forEach((box) => { box.open = true; });
      draw("gne");
    });
    addEventListener("afterprint", () => draw(theme()));
    document.addEventListener("toggle", (event) => { if (event.target.open) draw(theme()); }, true);
    draw(theme());
  }
  openTo();
})();
