import { parseDeadLetterKeys, PROCESSORS, type TopicNames } from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import {
  massFailureAlarm,
  MassFailureGuard,
  once,
  sharedLetterKeys,
  startConsumer,
  type Service,
  type ServiceDeps,
  type Settings,
} from '@weir/runtime'
import { GapFilling, type GapFiller } from './fill-gaps.ts'
import { KnownFields } from './known-fields.ts'
import type { RowSinkConfig } from './row-sink-settings.ts'
import type { RowSink } from './row-sink.ts'
import { retrying, RowTask, type RowStage } from './row-task.ts'

/** A service that writes a row for each event, and its store. */
export interface RowSinkService<Config extends RowSinkConfig> {
  /** Name of the service and of its consumer group. */
  readonly service: RowStage
  readonly config: Config
  readonly settings: Settings
  readonly openSink: () => RowSink
  /** Makes the store ready for rows. Called before the first row, and again after a failure. */
  readonly prepare: () => Promise<unknown>
  /** Opens the part that adds new fields to older rows. Absent: older rows stay as they are. */
  readonly openFiller?: () => GapFiller
}

/** Starts the consumer that reads events and writes them to a store. Rejects with a `ConfigError`. */
export const startRowSink = <Config extends RowSinkConfig>(
  { service, config, settings, openSink, prepare, openFiller }: RowSinkService<Config>,
  deps: ServiceDeps,
): Promise<Service> => {
  const { inputs, outputs, reads = [] } = PROCESSORS[service]
  return startConsumer(
    {
      service,
      config,
      settings,
      inputs,
      outputs,
      reads: config.nullFill ? reads : [],
      shared: sharedLetterKeys(config.deadLetterKeys),
      open: (topics) => {
        const sink = openSink()
        const filling = config.nullFill ? startFilling(config, topics, openFiller?.(), deps) : undefined
        const alarm = massFailureAlarm(service, deps)
        const common = {
          service,
          topics,
          reader: new EventReader(config),
          sink,
          rows: deps.metrics.counter(
            `weir_${service.replaceAll('-', '_')}_rows_total`,
            'Events by outcome.',
            ['result'],
          ),
          keys: parseDeadLetterKeys(config.deadLetterKeys),
          ...(filling && { knownFields: filling.knownFields }),
        }
        const prepareOnce = once(prepare)
        return {
          parked: alarm.parked,
          close: async () => {
            await filling?.close()
            await sink.close()
          },
          openTask: async (partition) => {
            await retrying(prepareOnce)
            await filling?.knownFields.ready()
            return new RowTask({
              ...common,
              partition,
              guard: new MassFailureGuard(config, alarm, partition),
            })
          },
        }
      },
    },
    deps,
  )
}

/** Completes rows at their write, and recent rows after a new field appears. */
const startFilling = (
  config: RowSinkConfig,
  topics: TopicNames,
  filler: GapFiller | undefined,
  { logger }: ServiceDeps,
) => {
  const knownFields: KnownFields = new KnownFields(config, topics.schemasObserved, logger, (growth) => {
    gaps?.grown(growth)
  })
  const gaps = filler && new GapFilling(knownFields, filler, logger)
  const close = async (): Promise<void> => {
    await knownFields.close()
    await gaps?.close()
    await filler?.close()
  }
  return { knownFields, close }
}
