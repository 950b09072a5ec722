/** Units of information: one place that knows which base of the logarithm has which name. */

const names = new Map([
  [Math.E, 'nats'],
  [2, 'bits'],
  [10, 'bans'],
])
const otherBase = /^base (\S+)$/

/** The unit of information of a logarithm: nats, bits, bans, or one named after the base. */
export function unitOfBase(base: number): string {
  return names.get(base) ?? `base ${base}`
}

/** Base of the logarithm of a unit; undefined for what is no unit of information. */
export function baseOfUnit(unit: string): number | undefined {
  const known = [...names].find(([, name]) => name === unit)?.[0]
  if (known !== undefined) return known
  const base = Number(otherBase.exec(unit)?.[1])
  return base > 1 && Number.isFinite(base) ? base : undefined
}
