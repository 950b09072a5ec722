/** Units of information and their logarithms. */

const names = new Map([
  [Math.E, 'nats'],
  [2, 'bits'],
  [10, 'bans'],
])
const otherBase = /^base (\S+)$/

/** The unit of information of a logarithm: nats, bits, bans, or a name with the base. */
export function unitOfBase(base: number): string {
  return names.get(base) ?? `base ${base}`
}

/** Base of the logarithm of a unit; undefined if the unit is not one of information. */
export function baseOfUnit(unit: string): number | undefined {
  const known = [...names].find(([, name]) => name === unit)?.[0]
  if (known !== undefined) return known
  const base = Number(otherBase.exec(unit)?.[1])
  return base > 1 && Number.isFinite(base) ? base : undefined
}
