import { decodeDedupStats } from '@weir/contracts'
import { RetriableError, StateError, type InputRecord, type TopicReader } from '@weir/kafka'
import type { Logger } from '@weir/runtime'
import { decodeOrigin, type SumsOrigin } from './sums-metadata.ts'
import { WindowSums, type StatsRecord } from './window-sums.ts'

export interface RecountOptions {
  readonly topic: string
  readonly partition: number
  /** The stats topic. */
  readonly reader: () => Promise<TopicReader>
  readonly logger: Logger
}

export interface Recount {
  /** The sums before the first record that was counted again. */
  readonly base: WindowSums
  readonly sums: WindowSums
  /** The log lacks records of windows up to this one, so nothing can be added to them. */
  readonly lostUntil: number
}

const NOTHING: Recount = { base: WindowSums.empty, sums: WindowSums.empty, lostUntil: -Infinity }
/** Number of records added at a time, and how far to look back first when the metadata do not say how far. */
const RECORDS = 1_000

/** Returns the sums that belong to a committed offset, from the records before it. */
export const recount = async (
  options: RecountOptions,
  committed: { readonly offset: bigint; readonly metadata: string },
): Promise<Recount> => {
  const { topic, partition, logger } = options
  const reader = await options.reader()
  const { start, end } = (await reader.stableOffsets()).get(partition)!
  const { offset } = committed
  if (end < offset) {
    throw new RetriableError(`${topic}/${partition} ends at ${end}, before the committed ${offset}`)
  }
  const origin = originOf(options, committed)
  if (origin === undefined) return lastWindow(options, reader, { start, end: offset })
  const { from, openStart, base } = origin
  if (from < start && from < offset) {
    const fields = { partition, from: String(from), start: String(start) }
    logger.warn(fields, 'the last windows are no longer in the log')
    return { ...NOTHING, lostUntil: openStart }
  }
  const sums = await sumsOf(options, reader, { from, end: offset, base })
  if (sums.openStart !== openStart) throw otherRecords(options, origin, sums, offset)
  return { ...NOTHING, base, sums }
}

const originOf = (
  options: RecountOptions,
  { offset, metadata }: { readonly offset: bigint; readonly metadata: string },
): SumsOrigin | undefined => {
  try {
    return decodeOrigin(metadata, offset)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new StateError(
      `${options.topic}/${options.partition}: the metadata of the committed offset ${offset} were not written by ` +
        `metric-export: another client has committed the offset. ${remedyOf(options, offset)}`,
    )
  }
}

const remedyOf = ({ topic, partition }: RecountOptions, offset: bigint): string =>
  'To count the last window from the records that are left: weir offsets set --service metric-export ' +
  `--topic ${topic} --partition ${partition} --to ${offset} --move`

/** An offset that was set by hand has no metadata about the window that was open. */
const lastWindow = async (
  options: RecountOptions,
  reader: TopicReader,
  { start, end }: { readonly start: bigint; readonly end: bigint },
): Promise<Recount> => {
  for (let count = BigInt(RECORDS); ; count *= 4n) {
    const from = end - count > start ? end - count : start
    const sums = await sumsOf(options, reader, { from, end, base: WindowSums.empty })
    // The first window may have had earlier records.
    if (sums.starts.length > 1) return { ...NOTHING, sums: sums.keep(() => false) }
    if (from > start) continue
    const isWhole = start === 0n || sums.openStart === undefined
    return isWhole ? { ...NOTHING, sums } : { ...NOTHING, lostUntil: sums.openStart }
  }
}

const sumsOf = async (
  { partition, logger }: RecountOptions,
  reader: TopicReader,
  { from, end, base }: { readonly from: bigint; readonly end: bigint; readonly base: WindowSums },
): Promise<WindowSums> => {
  let sums = base
  let records: StatsRecord[] = []
  await reader.readRange({ partition, from, end }, (record) => {
    records.push(...statsRecordsOf(record, logger))
    if (records.length >= RECORDS) {
      sums = sums.add(records).sums
      records = []
    }
    return true
  })
  return sums.add(records).sums
}

const otherRecords = (
  options: RecountOptions,
  { from, openStart }: SumsOrigin,
  sums: WindowSums,
  offset: bigint,
): StateError =>
  new StateError(
    `${options.topic}/${options.partition}: the records from ${from} to ${offset} end with the window ` +
      `${sums.openStart}, and ${openStart} was committed with them: the topic holds other records than were counted. ` +
      remedyOf(options, offset),
  )

/** undefined: the record does not hold counts of dedup. */
export const statsRecordsOf = (
  { partition, offset, value }: InputRecord,
  logger: Logger,
): readonly StatsRecord[] => {
  try {
    return value === null ? [] : [{ offset, stats: decodeDedupStats(value) }]
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error
    logger.error({ partition, offset: String(offset) }, 'not a stats record')
    return []
  }
}
