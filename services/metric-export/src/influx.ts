import { InfluxDB, Point } from '@influxdata/influxdb-client'
import { splitCredentials } from '@weir/contracts'
import { askHttp, NoAnswerError, type HttpAnswer } from '@weir/runtime'
import type { WindowPoint } from './window-sums.ts'

export interface InfluxSettings {
  readonly influxUrl: string
  readonly influxToken: string
  readonly influxOrg: string
  readonly influxBucket: string
  readonly influxTimeoutMs: number
  readonly environment: string
}

/** InfluxDB is unavailable or refuses our credentials: wait and write again. */
export class InfluxUnavailableError extends Error {
  override readonly name = 'InfluxUnavailableError'
}

/** InfluxDB refuses the points themselves, usually because a field has another type. Repeating them cannot help. */
export class PointsRefusedError extends Error {
  override readonly name = 'PointsRefusedError'
}

const MEASUREMENT = 'cxone_deduplication_stats'
/** Besides 5xx: InfluxDB is busy, or an operator must correct the token or create the bucket. */
const RETRIABLE_STATUS = new Set([401, 403, 404, 408, 425, 429])

const clientOf = (settings: InfluxSettings): InfluxDB =>
  new InfluxDB({ ...influxAccess(settings), timeout: settings.influxTimeoutMs })

/** About one megabyte. The server limits bodies only far above the size that its memory can take. */
const REQUEST_POINTS_MAX = 5_000

/**
 * Writes points, and resolves only when the server has all of them. A point with the same window, source and partition
 * replaces the earlier one. Sends nothing after `influxTimeoutMs` in all, because a process that was frozen in the
 * meantime must not write values that may be old. Rejects with an `InfluxUnavailableError` or a `PointsRefusedError`.
 */
export const writePoints = async (
  settings: InfluxSettings,
  partition: number,
  points: readonly WindowPoint[],
): Promise<void> => {
  const signal = AbortSignal.timeout(settings.influxTimeoutMs)
  for (let from = 0; from < points.length; from += REQUEST_POINTS_MAX) {
    await writeRequest(settings, partition, points.slice(from, from + REQUEST_POINTS_MAX), signal)
  }
}

const ANSWER_LENGTH_MAX = 300

/**
 * InfluxDB 1.8 takes `user:password` as its token. They come from the setting's URL, because request URLs must not
 * contain them.
 */
export const influxAccess = ({
  influxUrl,
  influxToken,
}: Pick<InfluxSettings, 'influxUrl' | 'influxToken'>): { readonly url: string; readonly token: string } => {
  const { url, user, password } = splitCredentials(influxUrl)
  const isGiven = influxToken === '' && user !== ''
  return { url, token: isGiven ? `${user}:${password}` : influxToken }
}

/** Whatever answers in the place of InfluxDB may send back what it was sent. */
const withoutToken = (text: string, token: string): string => {
  const password = token.slice(token.indexOf(':') + 1)
  return password === '' ? text : text.replaceAll(token, '…').replaceAll(password, '…')
}

/**
 * The client's own `WriteApi` is not used: its timeout restarts with each byte, and it compresses before it connects.
 */
const writeRequest = async (
  { influxUrl, influxToken, influxOrg, influxBucket, influxTimeoutMs, environment }: InfluxSettings,
  partition: number,
  points: readonly WindowPoint[],
  signal: AbortSignal,
): Promise<void> => {
  const query = new URLSearchParams({ org: influxOrg, bucket: influxBucket, precision: 'ms' })
  // Outside the `try`, so that its failure does not count as InfluxDB being unavailable.
  const body = points.map((point) => encode(point, partition, environment)).join('\n')
  const { url, token } = influxAccess({ influxUrl, influxToken })
  let answer: HttpAnswer
  try {
    answer = await askHttp(`${url}/api/v2/write?${query.toString()}`, {
      method: 'POST',
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        ...(token !== '' && { authorization: `Token ${token}` }),
      },
      body,
      timeoutMs: influxTimeoutMs,
      signal,
    })
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error
    throw new InfluxUnavailableError(`InfluxDB does not respond: ${error.message}`, { cause: error })
  }
  const { status, text } = answer
  if (status >= 200 && status < 300) return
  if (status < 500 && !RETRIABLE_STATUS.has(status)) {
    throw new PointsRefusedError(
      `InfluxDB refuses the points with ${status}: ${withoutToken(text, token).slice(0, ANSWER_LENGTH_MAX)}`,
    )
  }
  throw new InfluxUnavailableError(`InfluxDB responds with status ${status}`)
}

/**
 * Figures of the partition are written once, without a source, so that the sum of a field over all points is its
 * total.
 */
const encode = (point: WindowPoint, partition: number, environment: string): string => {
  const line = new Point(MEASUREMENT)
    .tag('environment', environment)
    .tag('partition', String(partition))
    .timestamp(String(point.windowStart))
  if (point.source === undefined) {
    line.intField('compaction_count', point.rotations).intField('state_cache_size', point.keysHeld)
  } else {
    line
      .tag('source', point.source)
      .intField('events_received', point.received)
      .intField('events_deduplicated', point.deduplicated)
      .intField('events_rejected', point.rejected)
  }
  return line.toLineProtocol({ convertTime: String })!
}

export interface InfluxTotals {
  readonly eventsReceived: number
  readonly eventsDeduplicated: number
  readonly eventsRejected: number
}

/** Sums over all points of an environment, by Flux. Rejects when the server does not respond. */
export const readTotals = async (settings: InfluxSettings): Promise<InfluxTotals> => {
  const query = `from(bucket: ${JSON.stringify(settings.influxBucket)})
    |> range(start: 0)
    |> filter(fn: (r) => r._measurement == "${MEASUREMENT}" and r.environment == ${JSON.stringify(settings.environment)})
    |> filter(fn: (r) => r._field =~ /^events_(received|deduplicated|rejected)$/)
    |> group(columns: ["_field"])
    |> sum()`
  const rows = await clientOf(settings)
    .getQueryApi(settings.influxOrg)
    .collectRows<{ _field: string; _value: number }>(query)
  const valueOf = (field: string): number => rows.find((row) => row._field === field)?._value ?? 0
  return {
    eventsReceived: valueOf('events_received'),
    eventsDeduplicated: valueOf('events_deduplicated'),
    eventsRejected: valueOf('events_rejected'),
  }
}
