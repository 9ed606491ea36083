// Runs in the tested page before its own scripts. It plays the server: a second peer connection in the
// same page answers the offers. It also stands in for the microphone's owner, who may refuse it.
(() => {
  const realFetch = window.fetch.bind(window);
  const peer = window.peer = {
    mode: "answer", // or server: offers go to the real one; deaf, tampered, silent: see answer
    sent: [], lags: [], left: [], tracks: [], errors: [], refuse: "",
    say(message) { peer.channel.send(typeof message === "string" ? message : JSON.stringify(message)); },
  };
  addEventListener("error", (e) => peer.errors.push(String(e.message)));
  addEventListener("unhandledrejection", (e) => peer.errors.push(String(e.reason)));
  addEventListener("securitypolicyviolation", (e) => peer.errors.push(`policy: ${e.violatedDirective} ${e.blockedURI}`));

  window.fetch = async (url, options = {}) => {
    if (options.method === "DELETE") peer.left.push(new URL(url).pathname);
    if (options.method === "DELETE" && peer.mode !== "server") return new Response();
    if (options.method !== "POST" || peer.mode === "server") return realFetch(url, options);
    const sdp = await answer(JSON.parse(options.body));
    return new Response(JSON.stringify({ sdp, type: "answer", session: "one" }));
  };

  async function answer(offer) {
    const pc = peer.pc = new RTCPeerConnection();
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: 330 });
    peer.gain = new GainNode(context, { gain: 0.25 });
    const out = context.createMediaStreamDestination();
    tone.connect(peer.gain).connect(out);
    tone.start();
    pc.addTrack(out.stream.getAudioTracks()[0]);
    pc.ondatachannel = (e) => {
      peer.channel = e.channel;
      e.channel.onmessage = (m) => { // what comes by the clock is kept apart
        if (JSON.parse(m.data).type === "playout") peer.lags.push(m.data);
        else peer.sent.push(m.data);
      };
    };
    await pc.setRemoteDescription(offer);
    await pc.setLocalDescription();
    while (pc.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 20));
    const sdp = pc.localDescription.sdp;
    switch (peer.mode) {
      case "deaf": // no packet arrives
        pc.close();
        return sdp;
      case "tampered": // the certificate is another one
        return sdp.replace(/(a=fingerprint:sha-256 )(\S\S:\S\S)/g, (_, name, pair) => name + (pair === "00:00" ? "11:11" : "00:00"));
      case "silent": // no data channel
        return sdp.replace(/m=application \d+/, "m=application 0").replace("BUNDLE 0 1", "BUNDLE 0");
    }
    return sdp;
  }

  const devices = navigator.mediaDevices;
  if (!devices) return;
  const realOpen = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wish) => {
    if (peer.refuse) throw new DOMException("refused by the test", peer.refuse);
    const stream = await realOpen(wish);
    peer.tracks.push(stream.getAudioTracks()[0]);
    return stream;
  };
})();
