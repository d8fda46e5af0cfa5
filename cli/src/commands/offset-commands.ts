import { PROCESSOR_NAMES, PROCESSORS, topicNames, type ProcessorName, type TopicNames } from '@weir/contracts'
import { openMaintenance, StateError, type KafkaSettings, type Maintenance } from '@weir/kafka'
import { InvalidArgumentError, type Command } from 'commander'
import { decidedBefore } from './decided-before.ts'
import { loadOffsetsConfig } from '../config.ts'
import { noted } from '../operator-notes.ts'
import { print, printRows, withJson, type OutputOptions, type Row } from '../output.ts'

const stageName = (text: string): ProcessorName => {
  const found = PROCESSOR_NAMES.find((name) => name === text)
  if (found === undefined) throw new InvalidArgumentError(`must be one of ${PROCESSOR_NAMES.join(', ')}.`)
  return found
}

const number = (text: string): number => {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('must be a whole number.')
  return Number(text)
}

const target = (text: string): bigint | 'start' | 'end' => {
  if (text === 'start' || text === 'end') return text
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('must be an offset, start or end.')
  return BigInt(text)
}

type Progress = (text: string) => void

const withMaintenance = async (
  settings: KafkaSettings,
  stage: ProcessorName,
  use: (maintenance: Maintenance) => Promise<void>,
): Promise<void> => {
  const topics = topicNames(settings.topicPrefix)
  const { outputs, ...rest } = PROCESSORS[stage]
  const maintenance = await openMaintenance({
    settings,
    service: stage,
    outputs: [...outputs, 'starts' as const].map((role) => topics[role]),
    ...('state' in rest && { changelogTopic: topics[rest.state] }),
  })
  try {
    await use(maintenance)
  } finally {
    await maintenance.close()
  }
}

const COLUMNS = {
  topic: 'TOPIC',
  partition: 'PARTITION',
  offset: 'OFFSET',
  start: 'LOG START',
  end: 'LOG END',
  wasStarted: 'STARTED',
  goOnAt: 'GO ON AT',
  why: 'WHY',
}

/** What is known about the position of a processor in its inputs. */
export const offsetRows = async (
  settings: KafkaSettings,
  { service, partition }: { readonly service: ProcessorName; readonly partition?: number | undefined },
): Promise<readonly Row[]> => {
  const rows: Row[] = []
  await withMaintenance(settings, service, async (maintenance) => {
    const topics = topicNames(settings.topicPrefix)
    const inputs = PROCESSORS[service].inputs.map((role) => topics[role])
    const count = await maintenance.partitionCount(inputs[0]!)
    for (let number = partition ?? 0; number < (partition === undefined ? count : partition + 1); number++) {
      const committed = await maintenance.committed(inputs, number)
      const starts = await maintenance.starts(topics.starts, inputs, number)
      for (const topic of inputs) {
        const { start, end } = await maintenance.range(topic, number)
        const offset = committed.get(topic)
        const wasStarted = starts.has(topic)
        const isGone = offset === undefined && wasStarted
        const decided = isGone ? await decidedBefore(maintenance, topics, service, topic, number) : undefined
        rows.push({
          topic,
          partition: number,
          offset: offset === undefined ? null : Number(offset),
          start: Number(start),
          end: Number(end),
          wasStarted,
          ...(decided && { goOnAt: Number(decided.offset), why: decided.why }),
        })
      }
    }
  })
  return rows
}

export interface SetOptions {
  readonly service: ProcessorName
  readonly topic: string
  readonly partition: number
  readonly to: bigint | 'start' | 'end'
  /** Sets the offset even where there is one: records are then skipped or read again. */
  readonly move: boolean
}

/** Sets where a processor continues in one partition. Rejects with a `StateError` when that would be unsafe. */
export const setOffset = (settings: KafkaSettings, options: SetOptions, progress: Progress): Promise<void> =>
  withMaintenance(settings, options.service, (maintenance) =>
    setWith(maintenance, topicNames(settings.topicPrefix), options, progress),
  )

export const setWith = async (
  maintenance: Maintenance,
  topics: TopicNames,
  options: SetOptions,
  progress: Progress,
): Promise<void> => {
  const { service, topic, partition } = options
  if (service === 'dedup') {
    throw new StateError(
      `dedup goes on where its state is: run \`weir dedup rebuild-state --partition ${partition}\`.`,
    )
  }
  const inputs: readonly string[] = PROCESSORS[service].inputs.map((role) => topics[role])
  if (!inputs.includes(topic)) throw new StateError(`${service} reads ${inputs.join(' and ')}.`)
  const count = await maintenance.partitionCount(topic)
  if (partition >= count) throw new StateError(`${topic} has ${count} partitions, numbered from 0.`)
  await requireSettable(maintenance, options)
  const claim = await maintenance.claim(partition)
  try {
    // The processor may have continued up to here. After this it cannot, or the commit of this claim is refused.
    const { before, offset } = await requireSettable(maintenance, options)
    await claim.commit([], { [topic]: offset })
    progress(`${topic}/${partition}: offset ${before ?? 'none'} is ${offset} now`)
  } finally {
    await claim.close()
  }
}

const requireSettable = async (
  maintenance: Maintenance,
  { topic, partition, to, move }: SetOptions,
): Promise<{ readonly before: bigint | undefined; readonly offset: bigint }> => {
  const { start, end } = await maintenance.range(topic, partition)
  const offset = typeof to === 'bigint' ? to : { start, end }[to]
  if (offset < start || offset > end) {
    throw new StateError(`${topic}/${partition} has the offsets ${start} to ${end}.`)
  }
  const before = (await maintenance.committed([topic], partition)).get(topic)
  if (before !== undefined && before >= start && before <= end && !move) {
    throw new StateError(
      `${topic}/${partition} has offset ${before}: another one skips records or reads some again. ` +
        'If that is what you want, give --move.',
    )
  }
  return { before, offset }
}

/** `weir offsets ...`: for partitions that are parked because their offset is lost. */
export const addOffsetCommands = (program: Command): void => {
  const commands = program
    .command('offsets')
    .description('Shows and sets where processors without positions of their own continue.')
  withJson(commands.command('show'))
    .description(
      'Lists the offsets of a processor; for a lost one, the offset at which nothing is lost or repeated.',
    )
    .requiredOption('--service <name>', PROCESSOR_NAMES.join(', '), stageName)
    .option('--partition <number>', 'only this one', number)
    .action(
      async ({
        service,
        partition,
        json = false,
      }: OutputOptions & { readonly service: ProcessorName; readonly partition?: number }) =>
        printRows(COLUMNS, await offsetRows(loadOffsetsConfig(), { service, partition }), { json }),
    )
  commands
    .command('set')
    .description('Sets a lost offset. The service may run; it continues by itself within a minute.')
    .requiredOption('--service <name>', PROCESSOR_NAMES.join(', '), stageName)
    .requiredOption('--topic <name>', 'the input topic')
    .requiredOption('--partition <number>', 'the partition', number)
    .requiredOption('--to <offset>', 'an offset of the log, start or end', target)
    .option('--move', 'also where there is an offset')
    .action(({ move = false, ...options }: Omit<SetOptions, 'move'> & { move?: boolean }) => {
      const settings = loadOffsetsConfig()
      return noted(settings, 'offsets.set', { ...options, to: String(options.to), move }, () =>
        setOffset(settings, { ...options, move }, print),
      )
    })
}
