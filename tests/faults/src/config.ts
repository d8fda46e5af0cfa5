import { loadSettings, setting, type ConfigOf, type Environment, type Settings } from '@weir/runtime'

const SETTINGS = {
  portBase: {
    env: 'FAULTS_PORT_BASE',
    schema: setting.integer(25_000, 1_024, 65_000),
    help: 'First of the 100 ports that the rig takes on 127.0.0.1.',
  },
} satisfies Settings

export type FaultsConfig = ConfigOf<typeof SETTINGS>

/** Throws a `ConfigError` that names the setting, its value and the fix. */
export const loadConfig = (env: Environment = process.env): FaultsConfig => loadSettings(SETTINGS, env)
