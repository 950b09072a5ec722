/** Running means: the loss first, then metrics by name, such as `{ loss: 0.41, accuracy: 0.88 }`. */
export interface Readings {
  readonly loss?: number | undefined
  readonly [metric: string]: number | undefined
}

/** Names with a customary short form. */
const shortNames: Readonly<Record<string, string>> = { accuracy: 'acc' }

/**
 * Readings as `loss: 0.41 - acc: 0.88`; empty without readings.
 *
 * @param decimals digits after the point; default 2
 */
export function formatReadings(readings: Readings, decimals = 2): string {
  const { loss, ...metrics } = readings
  return Object.entries({ loss, ...metrics })
    .filter((entry): entry is [string, number] => entry[1] !== undefined)
    .map(
      ([name, value]) =>
        `${Object.hasOwn(shortNames, name) ? shortNames[name] : name}: ${fixed(value, decimals)}`,
    )
    .join(' - ')
}

/** `%.{decimals}f` as in C, which also writes nan and inf. */
function fixed(value: number, decimals: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return value.toFixed(decimals)
}

/** Milliseconds as `mm:ss` or `h:mm:ss`; unknown is `--:--`. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return '--:--'
  const seconds = Math.floor(milliseconds / 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return hours > 0 ? `${hours}:${rest}` : rest
}

/** Steps a second as `52.1 it/s`, or `3.4 s/it` for steps longer than a second. */
export function formatRate(stepsPerSecond: number): string {
  if (!Number.isFinite(stepsPerSecond) || stepsPerSecond <= 0) return '-- it/s'
  if (stepsPerSecond < 1) return `${(1 / stepsPerSecond).toFixed(1)} s/it`
  return `${stepsPerSecond.toFixed(stepsPerSecond < 100 ? 1 : 0)} it/s`
}
