import { mkdirSync } from 'node:fs'
import { startConsumer } from '@weir/consumer'
import type { Service, ServiceDeps } from '@weir/service-kit'
import { filterErrorRateEach, SETTINGS, type DedupConfig } from './config.ts'
import { dedupMetrics } from './dedup-metrics.ts'
import { DedupOwner } from './dedup-owner.ts'

export const start = (config: DedupConfig, deps: ServiceDeps): Promise<Service> =>
  startConsumer(
    {
      service: 'dedup',
      config,
      settings: SETTINGS,
      inputs: ['received', 'dedupReplay'],
      state: 'seen',
      outputs: ['unique', 'stats', 'duplicates', 'dedupDlq'],
      open: (topics) => {
        mkdirSync(config.stateDir, { recursive: true })
        const owner = {
          topics,
          seenKeys: {
            windowMs: config.windowSecs * 1_000,
            filters: { capacity: config.filterCapacity, errorRate: filterErrorRateEach(config) },
          },
          stateDir: config.stateDir,
          statsWindowMs: config.statsWindowSecs * 1_000,
          auditDuplicates: config.auditDuplicates,
          logger: deps.logger,
          metrics: dedupMetrics(deps.metrics),
        }
        return { openOwner: (partition) => Promise.resolve(new DedupOwner(owner, partition)) }
      },
    },
    deps,
  )
