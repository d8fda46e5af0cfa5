import { scryptSync } from 'node:crypto'
import { isMoment } from './moment.ts'

/** A setting that all processes of a deployment must share, as the record `setting|<name>` of `deployment.settings.v1`. */
export interface SharedSetting {
  /** What is compared: the value, or the fingerprint of a secret. */
  readonly value: string
  /** The service that has published it. */
  readonly service: string
  /** Epoch ms. */
  readonly since: number
}

/** An ingress that runs, as the record `ingress|<id>`; written again and again, deleted when it stops. */
export interface RunningIngress {
  readonly host: string
  readonly pid: number
  readonly partitions: number
}

export const SETTING_PREFIX = 'setting|'
export const INGRESS_PREFIX = 'ingress|'
/** How often a running ingress writes its record: whoever waits twice as long has seen those that run. */
export const INGRESS_ALIVE_MS = 3_000

const FINGERPRINT_BYTES = 6

/** Of a secret, slow to make, so that a weak one is not found by trying. */
export const fingerprintOf = (name: string, secret: string): string =>
  `fingerprint ${scryptSync(secret, `weir|${name}`, FINGERPRINT_BYTES).toString('hex')}`

export const encodeJsonRecord = (value: SharedSetting | RunningIngress): Buffer =>
  Buffer.from(JSON.stringify(value))

/** undefined: something else than Weir wrote it. */
export const decodeSharedSetting = (bytes: Buffer): SharedSetting | undefined => {
  const { value, service, since } = parse(bytes) as Partial<SharedSetting>
  if (typeof value !== 'string' || typeof service !== 'string') return undefined
  // Whoever may write to the topic may write a time that no calendar has.
  if (typeof since !== 'number' || !isMoment(since)) return undefined
  return { value, service, since }
}

/** undefined: something else than Weir wrote it. */
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
