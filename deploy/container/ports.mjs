// In a container every service answers its probes on port 3000, unless its variable says otherwise.
import { portVariable, SERVICE_NAMES } from '../../packages/contracts/src/registry/services.ts'

for (const name of SERVICE_NAMES) process.env[portVariable(name)] ||= '3000'
