import { runLoop } from './loop.ts';

runLoop(0);
