// Runs before the first paint. The choice (auto, light, dark) lives in this browser only.

const KEY = "bem-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function choice(): string {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return "auto"; // storage is switched off in this browser
  }
}

function apply(): void {
  const wanted = choice();
  const theme = wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
  const root = document.documentElement;
  root.dataset["bsTheme"] = theme;
  root.dataset["themeChoice"] = wanted;
}

apply();
dark.addEventListener("change", apply);
addEventListener("storage", apply);
addEventListener("bem:theme", apply);
