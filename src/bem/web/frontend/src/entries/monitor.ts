import { LivePage } from "../watch/page";
import { Sparks } from "../watch/spark";

const sparks = new Sparks();
for (const element of document.querySelectorAll<HTMLElement>("[data-station]")) sparks.seed(element);

new LivePage({
  onReading: (reading) => sparks.add(reading),
  afterRender: (element) => sparks.draw(element),
});
