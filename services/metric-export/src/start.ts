import { PROCESSORS } from '@weir/contracts'
import { openTopicReader, type TopicReader } from '@weir/kafka'
import { once, type Service, type ServiceDeps, startConsumer } from '@weir/runtime'
import { SETTINGS, type MetricExportConfig } from './config.ts'
import { writePoints } from './influx.ts'
import { MetricExportTask } from './metric-export-task.ts'

export const start = (config: MetricExportConfig, deps: ServiceDeps): Promise<Service> =>
  startConsumer(
    {
      service: 'metric-export',
      config,
      settings: SETTINGS,
      ...PROCESSORS['metric-export'],
      open: ({ stats: topic }) => {
        const { logger, metrics } = deps
        const help = 'Webhooks counted by dedup, by outcome, since the start of this process.'
        const events = metrics.counter('weir_metric_export_events_total', help, ['source', 'outcome'])
        const unsettled = metrics.gauge(
          'weir_metric_export_unsettled_windows',
          'Windows that must be written once more before their numbers are final.',
          ['partition'],
        )
        const { influxUrl } = config
        if (influxUrl === undefined) logger.warn({}, 'INFLUX_URL is not set: only /metrics is served')
        let reader: TopicReader | undefined
        const openReader = once(async () => (reader = await openTopicReader(config, topic)))
        // With a heartbeat of the last half session and a write of half a session, no successor has begun when it ends:
        // it would put back older values.
        const influxTimeoutMs = Math.min(config.influxTimeoutMs, config.groupSessionMs / 2)
        const write = influxUrl && writePoints.bind(undefined, { ...config, influxUrl, influxTimeoutMs })
        return {
          openTask: (partition) =>
            Promise.resolve(
              new MetricExportTask({
                ...(write && { write }),
                topic,
                partition,
                events,
                unsettled,
                logger,
                reader: openReader,
                writeTimeoutMs: influxTimeoutMs,
              }),
            ),
          close: () => Promise.resolve(reader?.close()),
        }
      },
    },
    deps,
  )
