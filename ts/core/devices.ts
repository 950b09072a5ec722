/** Devices by name. */
import { DeviceError, describe } from './errors.js'
import { type DeviceInfo, native } from './native.js'

/** A device of this build. */
export type Device = 'cpu' | 'reference'

/** A requested device. `'auto'` is the default device: the value of `HYPERGLOW_DEVICE`, otherwise `'cpu'`. */
export type DeviceRequest = Device | 'cuda' | `cuda:${number}` | 'auto'

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

function namesOf(devices: readonly DeviceInfo[]): string {
  return devices.map(({ name }) => `"${name}"`).join(' or ')
}

/**
 * The index of the requested device, by default of the default device.
 *
 * @throws {DeviceError} for a missing device
 */
export function deviceNumber(op: string, device: DeviceRequest | undefined): number {
  if (device === undefined || device === 'auto') return defaultNumber()
  const devices = allDevices()
  const number = devices.findIndex(({ name }) => name === device)
  if (number >= 0) {
    divided ||= !devices[number]?.isDefault
    return number
  }
  if (typeof device === 'string' && /^cuda(:\d+)?$/.test(device)) {
    throw new DeviceError(
      `${op}: given device "${device}", but this build has no CUDA device; use ${namesOf(devices)}, or "auto"`,
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
