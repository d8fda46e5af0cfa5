import { startConsumer } from '@weir/consumer'
import type { Service, ServiceDeps } from '@weir/service-kit'
import { SETTINGS, type NormalizerConfig } from './config.ts'
import { NormalizerOwner } from './normalizer-owner.ts'

export const start = (config: NormalizerConfig, deps: ServiceDeps): Promise<Service> =>
  startConsumer(
    {
      service: 'normalizer',
      config,
      settings: SETTINGS,
      inputs: ['unique', 'normalizerReplay'],
      outputs: ['normalized', 'normalizerDlq'],
      open: (topics) => {
        const { registryUrl } = config
        const help = 'Webhooks normalised or given up.'
        const events = deps.metrics.counter('weir_normalizer_events_total', help, ['outcome'])
        return {
          openOwner: (partition) =>
            Promise.resolve(new NormalizerOwner({ topics, registryUrl, partition, events })),
        }
      },
    },
    deps,
  )
