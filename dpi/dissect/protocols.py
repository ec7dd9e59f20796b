"""The slugs of the labels that dissectors name by number, in the order of protocols.pxd (see there)."""

from __future__ import annotations

# what the IP header alone tells
_HEADER = """
    unknown tcp udp icmp icmpv6 igmp sctp ospf ippim pgm vrrp gre ipip ipsec
"""

_PROTOCOLS = """
    activision afp ah ajp alicloud amazonaws amongus amqp ansic1222 aodv applepush artnet atg avast
    avastsecuredns azure babel bacnet beckhoffads bfcp bfd bgp bitcoin bittorrent bjnp bmp bulk
    bzflag capwap cassandra ceph checkmk cip ciscoskinny ciscovpn citrix cloudflarewarp cnpip coap
    codmobile collectd controllerareanetwork corba cpha crynetwork dccp dcerpc dhcp dhcpv6 diameter
    dicom dingtalk discord dlep dnp3 dns dnscrypt dohdot doip drda dropbox dtls dtn eaq edonkey
    eigrp elasticsearch enet epicgames esphome ethereum ethernetglobaldata ethernetip ethersbus
    ethersio fastcgi fins fix flute fpm ftpcontrol ftpdata ftps gaijinentertainment gamespy ganglia
    gearman geneve genshinimpact git glbp gnutella google gtp h323 halflife2 haproxy hartip
    heroesofthestorm hip hislip hl7 hncp hpvirtgrp hsms hsrp http http2 httpconnect httpproxy i3d
    iax iec60870 iec62056 ieeec37118 igrp imap imaps imo iperf iqiyi irc iscsi iso95061mms jabber
    jrmi jsonrpc kafka kakaotalkvoice kcp kerberos kismet knxnetip l2tp ldap ldp lifx linecall lisp
    llmnr lmp lolwildrift lotusnotes lspping lustre maplestory mdns megaco melsec memcached
    merakicloud mgcp mikrotik minecraft minetest mining mobileipv6 modbus monero mongodb mpegts mpls
    mqtt msdp mssqltds mumble munin mysql nano natpmp nats nestlogsink netbios neteasegames netflow
    nfs niagarafox nintendo nmea0183 nomachine nordvpn ntop ntp oicq olsr ookla opcua openflow
    openvpn openwire oracle ossec pathofexile pcep pfcp pop3 pops postgresql pptp protobuf ptpv2
    quake quic radius radmin raft raknet rcon rdp resp riotgames rip ripeatlas rmcp roughtime
    rpkirtr rsh rsvp rsync rtcp rtmp rtp rtps rtsp rx s7comm s7commplus sacn samp sdrtn
    servicelocationprotocol sflow sip skypeteamscall smbv23 smpp smtp smtps snmp soap socks
    softether someip sonos sourceengine spotify srtp ssdp ssh starcraft steam steamdatagramrelay
    stomp stun syncthing syslog tacacs tailscale targusdataspeed teamspeak teamviewer teeworlds
    telegram telnet tencentgames teredo tesonline tftp threema thrift tinc tivoconnect tls tocaboca
    tplinkshp trdp truphone tuyalp ubntac2 uftp ultrasurf usenet v2g viber vmware vnc voice vqp
    vxlan wakeonlan wccp webex websocket whatsapp whoisdas wireguard worldofwarcraft wsd xdmcp
    xiaomi yojimbo z3950 zabbix zephyr zmtp zoom zug
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
