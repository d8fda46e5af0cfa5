import { PROCESSORS, topicNames } from '@weir/contracts'
import { readRetentionMs, type KafkaSettings } from '@weir/kafka'
import { ConfigError, createLogger } from '@weir/runtime'
import { readSourcesFile } from '@weir/sources'

const ASK_MS_MAX = 30_000

const UNIT_SECS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const
const UNITS = ['d', 'h', 'm', 's'] as const

/** The largest unit without a remainder: `31d`, `90m`. */
export const describeAge = (secs: number): string => {
  const unit = UNITS.find((one) => secs % UNIT_SECS[one] === 0) ?? 's'
  return `${secs / UNIT_SECS[unit]}${unit}`
}

/** Seconds of `400d`, `36h`, `90m` or `30s`; undefined: it is not an age. */
export const parseAge = (text: string): number | undefined => {
  const [, count, unit] = /^(\d{1,6})([dhms])$/.exec(text) ?? []
  const secs = Number(count) * UNIT_SECS[unit as keyof typeof UNIT_SECS]
  return secs > 0 ? secs : undefined
}

/** How long an event that has a row may come again, and why. */
export interface RetentionFloor {
  /** undefined: for as long as there is Kafka. */
  readonly secs: number | undefined
  readonly repeatSecs: number
  readonly repeatSetting: string
  readonly topic: string
  readonly topicSecs: number | undefined
}

export interface RepeatSettings {
  readonly windowSecs: number
  readonly sourcesFile: string | undefined
}

/**
 * A repeat passes dedup no sooner than its window ends, or where a provider repeats for longer, until it stops; what
 * has passed may be read again by normalizer or persistence for as long as their topics hold it. Only a row that is
 * there stops both. Rejects when the brokers do not answer within 30 s.
 */
export const retentionFloor = async (
  settings: KafkaSettings,
  { windowSecs, sourcesFile }: RepeatSettings,
): Promise<RetentionFloor> => {
  const { sources, problems } = readSourcesFile(sourcesFile)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  const slowest = sources.reduce<{ readonly secs: number; readonly setting: string }>(
    (longest, { name, retrySpanSecs = 0 }) =>
      retrySpanSecs > longest.secs
        ? { secs: retrySpanSecs, setting: `the provider of source ${name} repeats an event for` }
        : longest,
    { secs: windowSecs, setting: 'DEDUP_WINDOW_SECS is' },
  )
  const topics = topicNames(settings.topicPrefix)
  const roles = [...PROCESSORS.normalizer.inputs, ...PROCESSORS.persistence.inputs]
  const kept = await readRetentionMs(
    settings,
    roles.map((role) => topics[role]),
    { logger: createLogger('weir', 'silent'), signal: AbortSignal.timeout(ASK_MS_MAX) },
  )
  const [topic, ms] = [...kept].reduce((longest, one) =>
    orderOf(one[1]) > orderOf(longest[1]) ? one : longest,
  )
  const topicSecs = ms < 0 ? undefined : Math.ceil(ms / 1_000)
  return {
    secs: topicSecs === undefined ? undefined : slowest.secs + topicSecs,
    repeatSecs: slowest.secs,
    repeatSetting: slowest.setting,
    topic,
    topicSecs,
  }
}

const orderOf = (retentionMs: number): number => (retentionMs < 0 ? Infinity : retentionMs)

/** Throws a `ConfigError` with both values and the fix when rows of this age could come back. */
export const requireAge = (ageSecs: number, floor: RetentionFloor): void => {
  const { secs, repeatSecs, repeatSetting, topic, topicSecs } = floor
  const kept = topicSecs === undefined ? 'without a limit' : `for ${describeAge(topicSecs)}`
  const why = `${repeatSetting} ${repeatSecs} s and ${topic} keeps records ${kept}`
  if (secs === undefined) {
    throw new ConfigError(
      `--older-than is ${describeAge(ageSecs)}, and no age is enough: ${why}, so that a row that was deleted could ` +
        `come back. Set retention.ms of ${topic}; the default is 30 days or less.`,
    )
  }
  if (ageSecs >= secs) return
  throw new ConfigError(
    `--older-than is ${describeAge(ageSecs)}, and the least is ${describeAge(secs)}: ${why}, so that a row that was ` +
      `deleted sooner could come back. Give --older-than ${describeAge(secs)} or more, or lower the two.`,
  )
}
