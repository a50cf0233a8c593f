// Numbers and times as people write them.

export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text.replace("-", "\u2212");
}

const two = (value: number): string => String(value).padStart(2, "0");

// Seconds as 05:06, 04:05:06 or 3 d 04:05:06.
export function duration(seconds: number): string {
  const sign = seconds < 0 ? "\u2212" : "";
  const whole = Math.floor(Math.abs(seconds));
  const days = Math.floor(whole / 86400);
  const hours = Math.floor((whole % 86400) / 3600);
  const tail = `${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  if (days > 0) return `${sign}${days} d ${two(hours)}:${tail}`;
  return hours > 0 ? `${sign}${two(hours)}:${tail}` : `${sign}${tail}`;
}

export function clockTime(when: Date): string {
  return `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
}

export function dayAndTime(when: Date): string {
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  return `${day} ${two(when.getHours())}:${two(when.getMinutes())}`;
}
