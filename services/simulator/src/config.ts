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
  help: 'As ingress has them; the first one signs.',
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
    help: 'Fraction of new events whose payload has drifted: new, moved or retyped fields, one of five declared versions, or, once in a hundred, something odd.',
  },
  lateAfterSecs: {
    env: 'SIMULATOR_LATE_AFTER_SECS',
    schema: setting.number(60, 0, 86_400),
    help: 'Half of the repeats come so long after the event, the others at once.',
  },
  forSecs: {
    env: 'SIMULATOR_FOR_SECS',
    schema: setting.number(0, 0, 2_592_000),
    help: 'How long to send; 0: until it is stopped.',
  },
  seed: {
    env: 'SIMULATOR_SEED',
    schema: setting.integer(1, 0, 4_294_967_295),
    help: 'Of what is sent, but for the ids, which are of this run alone.',
  },
  inFlightMax: {
    env: 'SIMULATOR_IN_FLIGHT_MAX',
    schema: setting.integer(1_000, 1, 100_000),
    help: 'Requests that may wait for an answer; beyond it the rate is not kept.',
  },
  truthDir: {
    env: 'TRUTH_DIR',
    schema: setting.text('.weir/state/truth'),
    help: 'Folder of the ledger of what was sent.',
  },
  cxoneSecret: secrets('cxone'),
  dataActionSecret: secrets('cxone-dataaction'),
  niceSecret: secrets('nice'),
  cognigyToken: { env: 'SOURCE_COGNIGY_TOKEN', schema: setting.optionalSecret(), help: 'As ingress has it.' },
} satisfies Settings

export type SimulatorConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names each setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): SimulatorConfig => loadSettings(SETTINGS, env)
