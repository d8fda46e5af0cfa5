import { parseDeadLetterKeys, STAGE_TOPICS, type TopicNames } from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import {
  massFailureAlarm,
  MassFailureGuard,
  once,
  type Service,
  type ServiceDeps,
  sharedLetterKeys,
  startConsumer,
} from '@weir/runtime'
import { SETTINGS, type PersistenceConfig } from './config.ts'
import { GapFilling } from './fill-gaps.ts'
import { KnownFields } from './known-fields.ts'
import { PersistenceOwner, retrying } from './persistence-owner.ts'
import { requireDurability } from './postgres/durability.ts'
import { migrate } from './postgres/migrate.ts'
import { PostgresSink } from './postgres/postgres-sink.ts'
import { RowFiller } from './postgres/row-filler.ts'

export const start = (config: PersistenceConfig, deps: ServiceDeps): Promise<Service> =>
  startConsumer(
    {
      service: 'persistence',
      config,
      settings: SETTINGS,
      inputs: STAGE_TOPICS.persistence.inputs,
      outputs: STAGE_TOPICS.persistence.outputs,
      reads: config.nullFill ? STAGE_TOPICS.persistence.reads : [],
      shared: sharedLetterKeys(config.deadLetterKeys),
      open: (topics) => {
        const reader = new EventReader(config)
        const sink = new PostgresSink(config)
        const rows = deps.metrics.counter('weir_persistence_rows_total', 'Events by what became of them.', [
          'result',
        ])
        const alarm = massFailureAlarm('persistence', deps)
        const keys = parseDeadLetterKeys(config.deadLetterKeys)
        const filling = config.nullFill ? openFilling(config, topics, deps) : undefined
        const knownFields = filling?.knownFields
        const migrateOnce = once(async () => {
          await requireDurability(config.databaseUrl, config.profile, deps.logger)
          return migrate(config.databaseUrl)
        })
        return {
          parked: alarm.parked,
          close: async () => {
            await filling?.close()
            await sink.close()
          },
          openOwner: async (partition) => {
            await retrying(migrateOnce)
            await knownFields?.ready()
            const guard = new MassFailureGuard(config, alarm, partition)
            return new PersistenceOwner({
              topics,
              partition,
              reader,
              sink,
              rows,
              keys,
              guard,
              ...(knownFields && { knownFields }),
            })
          },
        }
      },
    },
    deps,
  )

/** What rows lack of what is known, at their write and soon after it. */
const openFilling = (config: PersistenceConfig, topics: TopicNames, { logger }: ServiceDeps) => {
  const filler = new RowFiller(config)
  const knownFields: KnownFields = new KnownFields(config, topics.schemasObserved, logger, (growth) => {
    gaps.grown(growth)
  })
  const gaps = new GapFilling(knownFields, filler, logger)
  const close = async (): Promise<void> => {
    await knownFields.close()
    await gaps.close()
    await filler.close()
  }
  return { knownFields, close }
}
