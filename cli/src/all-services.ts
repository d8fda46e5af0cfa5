import { webConsole } from '@weir/console'
import { dedup } from '@weir/dedup'
import { ingress } from '@weir/ingress'
import { metricExport } from '@weir/metric-export'
import { normalizer } from '@weir/normalizer'
import { persistence } from '@weir/persistence'
import { replay } from '@weir/replay'
import { simulator } from '@weir/simulator'

/** Every service, in the order of the documentation. */
export const ALL_SERVICES = [
  ingress,
  dedup,
  normalizer,
  persistence,
  metricExport,
  webConsole,
  replay,
  simulator,
] as const
