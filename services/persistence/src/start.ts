import { massFailureAlarm, MassFailureGuard, sharedLetterKeys, startConsumer } from '@weir/consumer'
import { parseDeadLetterKeys, STAGE_TOPICS } from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import type { Service, ServiceDeps } from '@weir/service-kit'
import { SETTINGS, type PersistenceConfig } from './config.ts'
import { KnownFields } from './known-fields.ts'
import { PersistenceOwner, retrying } from './persistence-owner.ts'
import { requireDurability } from './postgres/durability.ts'
import { migrate } from './postgres/migrate.ts'
import { PostgresSink } from './postgres/postgres-sink.ts'

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
        const knownFields = config.nullFill
          ? new KnownFields(config, topics.schemasObserved, deps.logger)
          : undefined
        const migrateOnce = once(async () => {
          await requireDurability(config.databaseUrl, config.profile, deps.logger)
          return migrate(config.databaseUrl)
        })
        return {
          parked: alarm.parked,
          close: async () => {
            await knownFields?.close()
            await sink.close()
          },
          openOwner: async (partition) => {
            await retrying(migrateOnce)
            await knownFields?.ready()
            const guard = new MassFailureGuard(config, alarm, partition)
            return new PersistenceOwner({
              ...{ topics, partition, reader, sink, rows, keys, guard },
              ...(knownFields && { knownFields }),
            })
          },
        }
      },
    },
    deps,
  )

/** Shares one success; a failure is tried again by the next call. */
const once = <T>(run: () => Promise<T>): (() => Promise<T>) => {
  let result: Promise<T> | undefined
  return () => {
    result ??= run().catch((error: unknown) => {
      result = undefined
      throw error
    })
    return result
  }
}
