/** Devices by name: where tensors live and are computed. */
import { DeviceError, describe } from './errors.js'
import { type DeviceInfo, native } from './native.js'

/** A device that this build has. */
export type Device = 'cpu' | 'reference'

/** Where something is to live. `'auto'` is the default device: what `HYPERGLOW_DEVICE` names, else `'cpu'`. */
export type DeviceRequest = Device | 'cuda' | `cuda:${number}` | 'auto'

let known: readonly DeviceInfo[] | undefined
let standard: number | undefined
let divided = false

/** All devices, by their numbers. They do not change. */
export function allDevices(): readonly DeviceInfo[] {
  known ??= native.devices()
  return known
}

function defaultNumber(): number {
  standard ??= allDevices().findIndex(({ isDefault }) => isDefault)
  return standard
}

/** The device that computes what is not told where. */
export function defaultDevice(): Device {
  return nameOfDevice(defaultNumber())
}

/** The name of the device of this number. */
export function nameOfDevice(number: number): Device {
  return allDevices()[number]?.name as Device
}

/** True once something was asked to live on another device than the default one. */
export function isDivided(): boolean {
  return divided
}

function namesOf(devices: readonly DeviceInfo[]): string {
  return devices.map(({ name }) => `"${name}"`).join(' or ')
}

/**
 * The number of the device asked for, by default that of the default device.
 *
 * @throws {DeviceError} where there is none of this name
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
      `${op}: device "${device}" was asked for, but this build has none of CUDA; use ${namesOf(devices)}, or "auto"`,
    )
  }
  throw new DeviceError(`${op}: there is no device ${describe(device)}; use ${namesOf(devices)}, or "auto"`)
}

/**
 * The name of the requested device; default the default device.
 *
 * @throws {DeviceError} where there is none of this name
 */
export function deviceNamed(op: string, device: DeviceRequest | undefined): Device {
  return nameOfDevice(deviceNumber(op, device))
}
