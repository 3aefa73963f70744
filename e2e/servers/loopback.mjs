// Preload for servers that listen on every address: `node --import ./loopback.mjs SERVER` keeps them on 127.0.0.1.
import net from 'node:net';

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...given) {
  const port = Number(given[0]);
  if (!Number.isInteger(port)) return listen.apply(this, given);
  const ready = given.find((one) => typeof one === 'function');
  return listen.call(this, { port, host: '127.0.0.1' }, ready);
};
