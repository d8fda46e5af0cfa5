import {
  loadSettings,
  probeSettings,
  SERVICE_SETTINGS,
  setting,
  type ConfigOf,
  type Environment,
  type Settings,
} from '@weir/runtime'
import { settingAliases, settingName } from '@weir/sources'

const secrets = (source: string) => ({
  env: settingName(source, 'SECRETS'),
  aliases: settingAliases(settingName(source, 'SECRETS')),
  schema: setting.secretList(),
  help: 'Must match the value of ingress. The first secret signs.',
})

export const SETTINGS = {
  ...SERVICE_SETTINGS,
  ...probeSettings('simulator'),
  targetUrl: {
    env: 'SIMULATOR_TARGET_URL',
    schema: setting.httpUrl({ credentials: false }, 'http://127.0.0.1:3000'),
    help: 'Base URL of ingress.',
  },
  rate: {
    env: 'SIMULATOR_RATE',
    schema: setting.number(50, 0.1, 100_000),
    help: 'HTTP requests per second, duplicates included.',
  },
  duplicates: {
    env: 'SIMULATOR_DUPLICATES',
    schema: setting.number(0.2, 0, 0.9),
    help: 'Fraction of the requests that repeat an earlier event.',
  },
  drift: {
    env: 'SIMULATOR_DRIFT',
    schema: setting.number(0, 0, 1),
    help: 'Fraction of new events whose payload has drifted: new, moved or retyped fields, one of five declared versions, or, once in a hundred, an unusual value.',
  },
  lateAfterSecs: {
    env: 'SIMULATOR_LATE_AFTER_SECS',
    schema: setting.number(60, 0, 86_400),
    help: 'Seconds between an event and its late repeat. Half of the repeats are late; the others follow at once.',
  },
  forSecs: {
    env: 'SIMULATOR_FOR_SECS',
    schema: setting.number(0, 0, 2_592_000),
    help: 'Seconds to send for; 0: until stopped.',
  },
  seed: {
    env: 'SIMULATOR_SEED',
    schema: setting.integer(1, 0, 4_294_967_295),
    help: 'Seed of the random payloads. Ids differ between runs even with the same seed.',
  },
  inFlightMax: {
    env: 'SIMULATOR_IN_FLIGHT_MAX',
    schema: setting.integer(1_000, 1, 100_000),
    help: 'Most requests that wait for a response. At this limit the simulator sends more slowly.',
  },
  truthDir: {
    env: 'TRUTH_DIR',
    schema: setting.text('.weir/state/truth'),
    help: 'Folder of the ledger of sent requests.',
  },
  cxoneSecret: secrets('cxone'),
  dataActionSecret: secrets('cxone-dataaction'),
  niceSecret: secrets('nice'),
  cognigyToken: {
    env: 'SOURCE_COGNIGY_TOKEN',
    schema: setting.optionalSecret(),
    help: 'Must match the value of ingress.',
  },
} satisfies Settings

export type SimulatorConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): SimulatorConfig => loadSettings(SETTINGS, env)
