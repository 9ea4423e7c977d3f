// Charts, the switch between light and dark, and forms that send themselves. Without it, all numbers are there.
(() => {
  "use strict";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (system.matches ? "dark" : "light");

  const holder = document.getElementById("chart-themes");
  const themes = JSON.parse(holder.textContent);
  const specs = [...document.querySelectorAll("script.spec")];

  async function draw() {
    const narrow = innerWidth < 640;
    const config = structuredClone(themes[theme()]);
    if (narrow) {
      config.legend.columns = 2;
      config.axis.labelLimit = 120;
    }
    await Promise.all(specs.map(async (script) => {
      const element = document.getElementById(script.dataset.for);
      const spec = JSON.parse(script.textContent);
      // `ast`: expressions are interpreted; no code is made of text.
      const drawn = await window.vegaEmbed(element, spec, {
        actions: false, renderer: "svg", ast: true, config, defaultStyle: false,
        tooltip: { disableDefaultStyle: true, theme: "custom" },
      });
      if (element.drawn) element.drawn.finalize();
      element.drawn = drawn;
    }));
    root.dataset.charts = "drawn";
  }

  if (specs.length) {
    const script = document.createElement("script");
    script.src = holder.dataset.vega;
    script.onload = () => draw().catch(failed);
    script.onerror = failed;
    document.head.append(script);
  }

  function failed(error) {
    root.dataset.charts = "failed";
    for (const script of specs) {
      const element = document.getElementById(script.dataset.for);
      if (!element.drawn) {
        element.classList.add("empty");
        element.textContent = "The chart could not be drawn. Its numbers are below.";
      }
    }
    if (error instanceof Error) console.error(error);
  }

  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page only */ }
    if (specs.length && window.vegaEmbed) draw().catch(failed);
  });
  system.addEventListener("change", () => { if (specs.length && window.vegaEmbed) draw().catch(failed); });

  // A filter that is chosen applies at once; a date does when its form is sent.
  for (const form of document.querySelectorAll("form[data-filters]")) {
    form.addEventListener("change", (event) => { if (event.target.matches("select")) form.requestSubmit(); });
    form.addEventListener("submit", () => {
      for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
    });
  }
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[data-filters] :disabled:not([data-off])")) field.disabled = false;
  });
})();
