/** Devices by name. */
import { DeviceError, describe } from './errors.js'
import { type DeviceInfo, native } from './native.js'

/** A device: the processor, its slow interpreter, or a CUDA device by its number. */
export type Device = 'cpu' | 'reference' | `cuda:${number}`

/**
 * A requested device. `'cuda'` is `'cuda:0'`. `'auto'` is the device that `HYPERGLOW_DEVICE` names, otherwise `'cuda:0'` where there is
 * one, otherwise `'cpu'`.
 */
export type DeviceRequest = Device | 'cuda' | 'auto'

let known: readonly DeviceInfo[] | undefined
let standard: number | undefined
let divided = false

/** All devices, by index. They do not change. */
export function allDevices(): readonly DeviceInfo[] {
  known ??= native.devices()
  return known
}

function defaultNumber(): number {
  standard ??= allDevices().findIndex(({ isDefault }) => isDefault)
  return standard
}

/** The device of computations without a device of their own. */
export function defaultDevice(): Device {
  return nameOfDevice(defaultNumber())
}

/** The name of the device with this index. */
export function nameOfDevice(number: number): Device {
  return allDevices()[number]?.name as Device
}

/** True once a device other than the default one was requested. */
export function isDivided(): boolean {
  return divided
}

/** The index of what `'auto'` stands for. */
function automaticNumber(): number {
  if (process.env.HYPERGLOW_DEVICE) return defaultNumber()
  const cuda = allDevices().findIndex(({ kind }) => kind === 'cuda')
  return cuda < 0 ? defaultNumber() : cuda
}

function namesOf(devices: readonly DeviceInfo[]): string {
  return devices.map(({ name }) => `"${name}"`).join(' or ')
}

/**
 * The index of the requested device, by default of the default device.
 *
 * @throws {DeviceError} for a missing device
 */
export function deviceNumber(op: string, device: DeviceRequest | undefined): number {
  if (device === undefined) return defaultNumber()
  const devices = allDevices()
  const wanted = device === 'cuda' ? 'cuda:0' : device
  const number = device === 'auto' ? automaticNumber() : devices.findIndex(({ name }) => name === wanted)
  if (number >= 0) {
    divided ||= !devices[number]?.isDefault
    return number
  }
  if (typeof device === 'string' && /^cuda(:\d+)?$/.test(device)) {
    const absence = native.cudaAbsence()
    const why = absence ? `there is no CUDA device: ${absence.join('; ')}` : 'there is no such CUDA device'
    throw new DeviceError(
      `${op}: given device "${device}", but ${why}. Otherwise use ${namesOf(devices)}, or "auto"`,
    )
  }
  throw new DeviceError(`${op}: there is no device ${describe(device)}; use ${namesOf(devices)}, or "auto"`)
}

/**
 * The name of the requested device, by default of the default device.
 *
 * @throws {DeviceError} for a missing device
 */
export function deviceNamed(op: string, device: DeviceRequest | undefined): Device {
  return nameOfDevice(deviceNumber(op, device))
}
