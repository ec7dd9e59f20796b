"""The slugs of the labels that dissectors name by number, in the order of protocols.pxd (see there)."""

from __future__ import annotations

# what the IP header alone tells
_HEADER = """
    unknown tcp udp icmp icmpv6 igmp sctp ospf ippim pgm vrrp gre ipip ipsec
"""

_PROTOCOLS = """
    activision adb aerospike afp ah ajp alicloud amazonaws amongus amqp ansic1222 aodv apcupsd
    applepush arangodb artnet arubapapi atg avast avastsecuredns azure babel bacnet bacula beanstalk
    beckhoffads bfcp bfd bgp bitcoin bittorrent bjnp bmp bulk bzflag capwap cassandra ceph checkmk
    cip ciscoskinny ciscovpn citrix clickhouse cloudflarewarp cnpip coap codmobile collectd
    controllerareanetwork corba cpha crynetwork cvs dccp dcerpc dhcp dhcpv6 diameter dicom dingtalk
    directconnect discord distcc dlep dnp3 dns dnscrypt dohdot doip drbd drda dropbox dtls dtn eaq
    edonkey eigrp elasticsearch enet epicgames esphome ethereum ethernetglobaldata ethernetip
    ethersbus ethersio fastcgi fastd finger fins firebird fix flute fpm ftpcontrol ftpdata ftps
    gaijinentertainment gamespy ganglia gearman gelf geneve genshinimpact git glbp gnutella google
    gopher gtp gvcp h323 hadoop halflife2 haproxy hartip hazelcast heroesofthestorm hip hislip hl7
    hncp hpvirtgrp hsms hsrp http http2 httpconnect httpproxy i3d iax ibmmq ident iec60870 iec62056
    ieeec37118 igrp imap imaps imo iperf iqiyi irc iscsi iso95061mms jabber jetdirect jrmi jsonrpc
    kafka kakaotalkvoice kcp kerberos kismet knxnetip l2tp ldap ldp libp2p lifx linecall lisp llmnr
    lmp lolwildrift lorawan lotusnotes lpd lspping lumberjack lustre maplestory mavlink mbus mdns
    megaco melsec memcached merakicloud mgcp mikrotik minecraft minetest mining mobileipv6 modbus
    monero mongodb mpd mpegts mpls mqtt msdp msmq mssqltds mumble munin mysql n2n nano nanomsg
    natpmp nats nbd ncp ndmp nebulavpn neo4j nestlogsink netbios neteasegames netflow netremoting
    nettcp nfs niagarafox nintendo nmea0183 nomachine nordvpn nsq ntop ntp nut oicq olsr ookla opcua
    openflow openvpn openwire oracle osc ossec pathofexile pcep pfcp pjlink pop3 pops postgresql
    pptp protobuf ptpv2 pulsar quake quic radius radmin raft raknet rcon rdp relp resp riotgames rip
    ripeatlas rmcp rocketmq roughtime rpkirtr rsh rsvp rsync rtcp rtmp rtp rtpmidi rtps rtsp rx
    s7comm s7commplus sacn samp sane sapni sdrtn servicelocationprotocol sflow sip skypeteamscall
    smbv23 smpp smtp smtps snmp soap socks softether someip sonos soulseek sourceengine spice
    spotify srt srtp ssdp ssh starcraft statsd steam steamdatagramrelay stomp stun subversion
    syncthing syslog tacacs tailscale tarantool targusdataspeed teamspeak teamviewer teeworlds
    telegram telnet tencentgames teredo tesonline tftp threema thrift tinc tivoconnect tls tocaboca
    tox tplinkshp trdp truphone tuyalp tzsp ubntac2 udt uftp ultrasurf usenet v2g viber visca vmware vnc
    voice vqp vxlan wakeonlan wccp webex websocket whatsapp whoisdas wireguard worldofwarcraft wsd
    xdmcp xiaomi yggdrasil yojimbo z3950 zabbix zephyr zerotier zmtp zookeeper zoom zug
"""

# apps and calls that are told from packets
_APPS = """
    adobeconnect anydesk facebookmessenger facebookvoip forticlient geforcenow googlecall googlemeet
    gtpc gtpprime hls ipp kakaotalk line mpegdash mullvad ocs ocsp operavpn playstation
    privateinternetaccess profinetio protonvpn psiphon qq roblox signal signalvoip smbv1
    snapchatcall surfshark telegramvoip tor tunnelbear umas vibervoip webdav wechat whatsappcall
    whatsappfiles windowsupdate windscribe xbox
"""

SLUGS: tuple[str, ...] = tuple((_HEADER + _PROTOCOLS + _APPS).split())
IDS: dict[str, int] = {slug: number for number, slug in enumerate(SLUGS)}
RESERVED = 512  # the first number that the loader may give away

# Those whose number serves for what their addresses mean, not for what their packets show.
_OWNERS = "amazonaws azure google"
OF_PACKETS: frozenset[int] = frozenset(IDS[slug] for slug in SLUGS[1:] if slug not in _OWNERS.split())
