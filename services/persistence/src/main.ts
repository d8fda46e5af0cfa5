import { runService } from '@weir/service-kit'
import { persistence } from './index.ts'

await runService(persistence)
