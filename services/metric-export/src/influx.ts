import { HttpError, InfluxDB, Point } from '@influxdata/influxdb-client'
import type { WindowPoint } from './window-sums.ts'

export interface InfluxSettings {
  readonly influxUrl: string
  readonly influxToken: string
  readonly influxOrg: string
  readonly influxBucket: string
  readonly influxTimeoutMs: number
  readonly environment: string
}

/** InfluxDB is away, or refuses us: wait and write again. */
export class InfluxUnavailableError extends Error {
  override readonly name = 'InfluxUnavailableError'
}

const MEASUREMENT = 'cxone_deduplication_stats'
/** The points themselves are at fault, a field of another type above all: repeating them cannot help. */
const CONTENT_STATUS = new Set([400, 413, 422])

const clientOf = ({ influxUrl, influxToken, influxTimeoutMs }: InfluxSettings): InfluxDB =>
  new InfluxDB({ url: influxUrl, token: influxToken, timeout: influxTimeoutMs })

/** About a megabyte; the server bounds bodies only where its memory has long gone. */
const REQUEST_POINTS_MAX = 5_000

/**
 * Writes points and resolves only once the server has all of them. A point of the same window, source and partition
 * replaces the former one. Rejects with an `InfluxUnavailableError`, or an `HttpError` when the points are at fault.
 */
export const writePoints = async (
  settings: InfluxSettings,
  partition: number,
  points: readonly WindowPoint[],
): Promise<void> => {
  for (let from = 0; from < points.length; from += REQUEST_POINTS_MAX) {
    await writeRequest(settings, partition, points.slice(from, from + REQUEST_POINTS_MAX))
  }
}

const writeRequest = async (
  settings: InfluxSettings,
  partition: number,
  points: readonly WindowPoint[],
): Promise<void> => {
  let failure: Error | undefined
  const api = clientOf(settings).getWriteApi(settings.influxOrg, settings.influxBucket, 'ms', {
    // A batch that is full is sent at once and `close` does not wait for it: all would be reported as written, and
    // nothing as refused. So none is ever full.
    batchSize: points.length + 1,
    // Retries of the client would outlive the call and report success before it is known: the stage retries.
    maxRetries: 0,
    flushInterval: 0,
    writeFailed: (error) => {
      failure = error
      return Promise.resolve()
    },
  })
  const { environment } = settings
  api.writePoints(points.map((point) => encode(point, partition, environment)))
  try {
    await api.close()
  } catch (error) {
    failure ??= error as Error
  }
  if (failure === undefined) return
  if (failure instanceof HttpError && CONTENT_STATUS.has(failure.statusCode)) throw failure
  const reason = failure instanceof HttpError ? `answers ${failure.statusCode}` : 'does not answer'
  throw new InfluxUnavailableError(`InfluxDB ${reason}`, { cause: failure })
}

const encode = (point: WindowPoint, partition: number, environment: string): Point =>
  new Point(MEASUREMENT)
    .tag('environment', environment)
    .tag('source', point.source)
    .tag('partition', String(partition))
    .intField('events_received', point.received)
    .intField('events_deduplicated', point.deduplicated)
    .intField('compaction_count', point.rotations)
    .intField('state_cache_size', point.keysHeld)
    .timestamp(point.windowStart)

export interface InfluxTotals {
  readonly eventsReceived: number
  readonly eventsDeduplicated: number
}

/** Sums over all points of an environment, by Flux. Rejects when the server does not answer. */
export const readTotals = async (settings: InfluxSettings): Promise<InfluxTotals> => {
  const query = `from(bucket: ${JSON.stringify(settings.influxBucket)})
    |> range(start: 0)
    |> filter(fn: (r) => r._measurement == "${MEASUREMENT}" and r.environment == ${JSON.stringify(settings.environment)})
    |> filter(fn: (r) => r._field == "events_received" or r._field == "events_deduplicated")
    |> group(columns: ["_field"])
    |> sum()`
  const rows = await clientOf(settings)
    .getQueryApi(settings.influxOrg)
    .collectRows<{ _field: string; _value: number }>(query)
  const valueOf = (field: string): number => rows.find((row) => row._field === field)?._value ?? 0
  return { eventsReceived: valueOf('events_received'), eventsDeduplicated: valueOf('events_deduplicated') }
}
