const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A whole number with thousands separated: `12,345`. */
export function formatCount(count: number): string {
  return grouped.format(count);
}

/**
 * A number with `digits` significant digits: `1.46`, `0.00120`, `24,100`, `5.00e-5`. Small magnitudes go to exponents,
 * large ones are grouped; infinities and NaN keep their names.
 */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  // Rounded before the size is judged, so that 999.6 is 1,000 and not 1.00e+3.
  const size = Math.abs(Number(value.toPrecision(digits)));
  if (size < 1e-3) return value.toExponential(digits - 1);
  if (size >= 10 ** digits) return grouped.format(value);
  return value.toPrecision(digits);
}

/** Bytes in powers of 1000 with three digits: `999 B`, `1.50 kB`, `27.0 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const name = BYTE_UNITS[unit] ?? "";
  return unit === 0 ? `${Math.round(value)} ${name}` : `${formatNumber(value)} ${name}`;
}

/** Seconds as the two units that matter: `120 ms`, `4.2 s`, `3 min 05 s`, `2 h 10 min`, `1 d 03 h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return String(seconds);
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return twoUnits(whole, 60, "min", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return twoUnits(minutes, 60, "h", "min");
  return twoUnits(Math.round(seconds / 3600), 24, "d", "h");
}

/** A fraction as a percentage with at most `digits` significant digits and no trailing zeros: `25%`, `0.1%`, `33.3%`. */
export function formatPercent(fraction: number, digits = 3): string {
  return `${Number((fraction * 100).toPrecision(digits))}%`;
}

/** A rate: `241 tokens/s`, `0.350 steps/s`. */
export function formatRate(perSecond: number, unit: string): string {
  return `${formatNumber(perSecond)} ${unit}/s`;
}

function twoUnits(total: number, size: number, large: string, small: string): string {
  return `${Math.floor(total / size)} ${large} ${String(total % size).padStart(2, "0")} ${small}`;
}
