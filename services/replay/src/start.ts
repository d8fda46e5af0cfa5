import { parseDeadLetterKeys, PROCESSORS, serviceTopics, topicNames } from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import { openAuditLog, openLanes, startProcessor } from '@weir/kafka'
import {
  AccessTokens,
  Closers,
  ConfigError,
  failpointsOf,
  logStart,
  noteStart,
  PartitionList,
  requireTopics,
  type Service,
  type ServiceDeps,
  sharedLetterKeys,
  sharedSecret,
  sharedSources,
  processorObserver,
  warnOfExpiry,
} from '@weir/runtime'
import { readSourcesFile } from '@weir/sources'
import { buildApi } from './api/api.ts'
import { parseApprovals } from './jobs/approvals.ts'
import { CommandLog } from './jobs/command-log.ts'
import { SETTINGS, TOKENS, type ReplayConfig } from './config.ts'
import { encodeJson, type Command } from './jobs/job.ts'
import { LetterReader } from './letters/letters.ts'
import { ReplayTask } from './replay-task.ts'
import { StateView } from './jobs/state-view.ts'

const COMMAND_MS_MAX = 10_000
/** Most letters that one transaction returns. */
const CHUNK_LETTERS_MAX = 500
/** Each command is one transaction. */
const BATCH = { recordsMax: 1, bytesMax: 1_048_576, lingerMs: 0 }
const { inputs: INPUTS, outputs: OUTPUTS } = PROCESSORS.replay

/** Every instance serves the API. The instance that owns the topic of commands runs the jobs. */
export const start = async (config: ReplayConfig, { logger, metrics }: ServiceDeps): Promise<Service> => {
  logStart(logger, SETTINGS, config)
  const closers = new Closers()
  try {
    const { sources, problems } = readSourcesFile(config.sourcesFile)
    if (problems.length > 0) throw new ConfigError(problems.join('\n'))
    const { reads, writes } = serviceTopics('replay')
    await requireTopics({
      service: 'replay',
      config,
      logger,
      roles: [...reads, ...writes],
      shared: {
        ...sharedSecret('BODY_HASH_KEY', config.bodyHashKey),
        ...sharedSources(sources),
        ...sharedLetterKeys(config.deadLetterKeys),
      },
      isTransactional: true,
    })
    const topics = topicNames(config.topicPrefix)
    const keys = parseDeadLetterKeys(config.deadLetterKeys)
    const approvals = parseApprovals(config.approvals)
    const jobLetters = LetterReader.of(config, topics)
    const letters = LetterReader.of(config, topics)
    const state = new StateView(config, topics)
    const commands = CommandLog.of(config, topics)
    closers.add(() => Promise.all([jobLetters.close(), letters.close(), state.close(), commands.close()]))
    const { bodyHashKey, topicPartitions: partitions } = config
    const returning = { topics, partitions, keys, bodyHashKey, sources, chunkLettersMax: CHUNK_LETTERS_MAX }
    const lanes = await openLanes({
      settings: { ...config, topicPartitions: 1 },
      logger,
      topic: topics.replayCommands,
      lingerMs: 0,
      deadlineMs: COMMAND_MS_MAX,
      batchRecordsMax: 100,
      batchBytesMax: 700_000,
      queueBytesMax: 10_000_000,
    })
    closers.add(() => lanes.close())
    const send = (command: Command, id: string): Promise<void> =>
      lanes.send(0, { key: Buffer.from(id), value: encodeJson(command), headers: {} })
    const inputs = INPUTS.map((role) => topics[role])
    const processor = await startProcessor({
      // The topics of replay have one partition each, whatever the other topics have.
      settings: { ...config, topicPartitions: 1 },
      logger,
      service: 'replay',
      batch: BATCH,
      inputs,
      observer: processorObserver('replay', inputs, { logger, metrics }),
      outputs: [],
      sharedOutputs: OUTPUTS.map((role) => topics[role]),
      changelogTopic: topics.replayState,
      startsTopic: topics.starts,
      ...failpointsOf('replay'),
      openTask: () =>
        Promise.resolve(
          new ReplayTask({
            ...returning,
            approvals,
            logger,
            letters: jobLetters,
            events: new EventReader(config),
            commands: CommandLog.of(config, topics),
            send,
          }),
        ),
    })
    closers.add(() => processor.stop())
    const list = new PartitionList()
    list.add('replay', processor)
    const tokens = new AccessTokens().add(config.tokens, TOKENS)
    const stopWarning = warnOfExpiry(tokens, TOKENS.setting, logger)
    closers.add(stopWarning)
    const audit = openAuditLog(config, logger)
    closers.add(() => audit.close())
    await noteStart(audit, 'replay', { settings: SETTINGS, config, tokens })
    const app = buildApi({
      audit,
      tokens,
      approvals,
      letters,
      state,
      commands,
      keys,
      metrics,
      logger,
      send,
      returning: { ...returning, letters, events: new EventReader(config) },
      readiness: () => processor.readiness(),
      partitions: list,
    })
    await app.listen({ host: config.host, port: config.port })
    closers.add(() => app.close())
    logger.info({ address: app.server.address() }, 'listening')
    return {
      stop: () => closers.close(),
      failed: processor.failed,
      readiness: () => processor.readiness(),
      parked: () => list.parked(),
    }
  } catch (error) {
    await closers.close()
    throw error
  }
}
