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
    const config = { responsive: true, displayModeBar: false };
    const draw = (name) => plots.forEach((plot, i) => {
      const box = document.getElementById("plot-" + i);
      // A box in closed details has no width yet: it is drawn when it opens.
      if (box.offsetParent !== null)
        Plotly.react(box, plot.data, { ...plot.layout, template: templates[name], autosize: true }, config);
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
