import { scryptSync } from 'node:crypto'
import { isMoment } from '../values/moment.ts'

/**
 * A setting that must be equal in all processes of a deployment: the record `setting|<name>` of
 * `deployment.settings.v1`.
 */
export interface SharedSetting {
  /** The value, or the fingerprint of a secret. */
  readonly value: string
  /** The service that published the setting. */
  readonly service: string
  /** Epoch ms. */
  readonly since: number
}

/** A running ingress: the record `ingress|<id>`, which it rewrites while it runs and deletes when it stops. */
export interface RunningIngress {
  readonly host: string
  readonly pid: number
  readonly partitions: number
}

export const SETTING_PREFIX = 'setting|'
export const INGRESS_PREFIX = 'ingress|'
/** How often a running ingress writes its record. A reader that waits twice as long has seen every running ingress. */
export const INGRESS_ALIVE_MS = 3_000

const FINGERPRINT_BYTES = 6

/** Fingerprint of a secret. It is slow to compute, so that a weak secret cannot be guessed by trial. */
export const fingerprintOf = (name: string, secret: string): string =>
  `fingerprint ${scryptSync(secret, `weir|${name}`, FINGERPRINT_BYTES).toString('hex')}`

export const encodeJsonRecord = (value: SharedSetting | RunningIngress): Buffer =>
  Buffer.from(JSON.stringify(value))

/** Returns undefined for a record that Weir did not write. */
export const decodeSharedSetting = (bytes: Buffer): SharedSetting | undefined => {
  const { value, service, since } = parse(bytes) as Partial<SharedSetting>
  if (typeof value !== 'string' || typeof service !== 'string') return undefined
  // Another writer of the topic may have stored a time outside of the calendar.
  if (typeof since !== 'number' || !isMoment(since)) return undefined
  return { value, service, since }
}

/** Returns undefined for a record that Weir did not write. */
export const decodeRunningIngress = (bytes: Buffer): RunningIngress | undefined => {
  const { host, pid, partitions } = parse(bytes) as Partial<RunningIngress>
  if (typeof host !== 'string' || typeof pid !== 'number' || typeof partitions !== 'number') return undefined
  return { host, pid, partitions }
}

const parse = (bytes: Buffer): object => {
  try {
    return (JSON.parse(bytes.toString()) as object | null) ?? {}
  } catch {
    return {}
  }
}
