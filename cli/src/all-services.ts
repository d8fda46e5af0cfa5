import { SERVICE_NAMES } from '@weir/contracts'
import type { ServiceDefinition } from '@weir/runtime'

type AnyService = ServiceDefinition<{ readonly logLevel: string }>

/** Every service of the registry: what its folder exports as `service`, in the order of the documentation. */
export const ALL_SERVICES: readonly AnyService[] = await Promise.all(
  SERVICE_NAMES.map(async (name) => {
    const folder = new URL(`../../services/${name}/src/index.ts`, import.meta.url)
    const { service } = (await import(folder.href)) as { readonly service: AnyService }
    return service
  }),
)
