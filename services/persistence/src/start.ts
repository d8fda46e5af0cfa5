import { startRowSink } from '@weir/row-sink'
import type { Service, ServiceDeps } from '@weir/runtime'
import { SETTINGS, type PersistenceConfig } from './config.ts'
import { requireDurability } from './postgres/durability.ts'
import { migrate } from './postgres/migrate.ts'
import { PostgresSink } from './postgres/postgres-sink.ts'
import { RowFiller } from './postgres/row-filler.ts'

export const start = (config: PersistenceConfig, deps: ServiceDeps): Promise<Service> =>
  startRowSink(
    {
      service: 'persistence',
      config,
      settings: SETTINGS,
      openSink: () => new PostgresSink(config),
      openFiller: () => new RowFiller(config),
      prepare: async () => {
        await requireDurability(config.databaseUrl, config.profile, deps.logger)
        await migrate(config.databaseUrl)
      },
    },
    deps,
  )
